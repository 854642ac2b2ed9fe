"""What one message, connection, document or room may cost: every bound, its reason, its unit."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class Limits(BaseModel):
    """Bounds that hold for every room of a server; sizes in bytes, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    message_bytes_max: PositiveInt = 16 << 20
    """One WebSocket message: a day of offline work comes back as one update."""

    value_depth_max: int = Field(default=64, gt=0, le=100)
    """Nested lists and maps in one value: native decoders recurse, and stacks end; that of JSON
    refuses what is nested 128 deep."""

    path_bytes_max: PositiveInt = 1024
    """A document's path, in UTF-8."""

    token_bytes_max: PositiveInt = 8 << 10
    """A participant token: headers and URLs of 8 KiB pass every proxy."""

    presence_bytes_max: PositiveInt = 64 << 10
    """One client's presence state; it is sent to everybody at every change."""

    answers_bytes_max: PositiveInt = 8 << 20
    """Answers to sync step 1 kept for one document until it changes: a crowd asks alike."""

    outbox_bytes_max: PositiveInt = 1 << 20
    """Unsent bytes for one reader: past it, one diff is cheaper than the backlog."""

    outbox_stalled_s_max: PositiveFloat = 10.0
    """A reader that takes nothing for so long is closed."""

    refusal_s: PositiveFloat = 5.0
    """A refused socket is held so long before it is closed: older y-websocket providers reconnect
    at once, without end, when they are closed at once."""

    refusals_max: PositiveInt = 1000
    """Refused sockets held at one time; more than that are closed at once."""

    keepalive_s: PositiveFloat = 15.0
    """Every peer gets a message so often: y-websocket reconnects after 30 s of silence."""

    idle_document_s: PositiveFloat = 30.0
    """A document that nobody has open leaves memory after so long."""

    compaction_records_min: PositiveInt = 1000
    """A document is compacted when it has grown by so many records: reading and merging them costs
    whoever opens it next about 10 ms. A tenth is enough when nobody has it open any more."""

    compaction_bytes_min: PositiveInt = 1 << 20
    """The same for a document that has grown by so many bytes in fewer records."""

    compaction_growth_min: float = Field(default=1.0, gt=0)
    """And it has grown by so many times its compacted size: compacting costs as much as the
    document is large, about 15 us a keystroke, so that all in all it is done a few times."""

    compaction_cpu_s_max: PositiveInt = 600
    """Compacting one document may take so long on one core: 600 MB of keystrokes, or a document
    that some reader takes for ever to read."""

    compaction_s_max: PositiveFloat = 3600.0
    """The same by the clock: it yields to everything else on the machine."""

    compaction_memory_bytes_max: PositiveInt = 4 << 30
    """The memory of the process that compacts, about 500 bytes a keystroke of the document."""

    view_hosts_max: PositiveInt = 2
    """Processes that read and write content for REST and the command line, about 30 MB each."""

    view_cpu_s: PositiveFloat = 1.0
    """Processor time for one request to such a process, and as much again for each MiB of the
    document: what takes longer ends it, and the request is refused."""

    view_memory_bytes_max: PositiveInt = 1 << 30
    """Address space of such a process, some 100 MB of it its own: a few bytes can claim more."""

    view_idle_s: PositiveFloat = 30.0
    """Such a process ends when nothing was asked of it for so long."""

    view_waiting_max: PositiveInt = 64
    """Requests for content that may wait, each with a copy of its document."""

    commit_pause_s: float = 0.004
    """Under load, commits start at least so far apart; a lone update is committed at once."""

    backlog: PositiveInt = 4096
    """Connections that may wait to be accepted, as when a whole office reconnects."""
