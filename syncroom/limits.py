"""What one message, connection, document or room may cost: every bound, its reason, its unit."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class Limits(BaseModel):
    """Bounds that hold for every room of a server; sizes in bytes, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    message_bytes_max: PositiveInt = 16 << 20
    """One WebSocket message; what is longer is refused before it is read. It leaves room for the
    largest update and what surrounds it."""

    update_bytes_max: int = Field(default=12 << 20, ge=1024)
    """One update: a day of offline work comes back as one, and so does a pasted picture. While one
    is read, nobody else is served."""

    update_parts_max: PositiveInt = 10_000
    """Structs in one update; a client counts as four, a deleted range as three, four values as one.
    What has more is taken apart by a process of its own before it is read: nobody else is served
    while this process reads, about 0.03 s for so many. A paste of any size is one."""

    large_updates_at_once_max: PositiveInt = 2
    """Such processes at one time; they yield to the server."""

    large_updates_bytes_max: PositiveInt = 128 << 20
    """Updates that are being taken apart, or wait for it."""

    large_update_cpu_s_max: PositiveInt = 60
    """Taking one apart may take so long on one core: 300,000 structs take 3 s."""

    large_update_memory_bytes_max: PositiveInt = 1 << 30
    """Address space of such a process: it takes about 200 bytes a struct."""

    vector_clients_max: PositiveInt = 40_000
    """Clients in one state vector, beside those of the document: reading so many takes 0.03 s."""

    cpu_share_max: float = Field(default=0.2, gt=0)
    """Of one core, what the messages of one participant may take; what comes past it is taken
    later. Editors take a thousandth of that."""

    document_bytes_max: PositiveInt = 256 << 20
    """What is stored of one document: all of it is sent to every newcomer, and is in memory twice
    while it is loaded. Past it only deletions are taken."""

    parked_bytes_max: PositiveInt = 16 << 20
    """Updates of one document that build on what is missing, kept until that comes: a client that
    lost edits on its way goes on from them."""

    room_documents_max: PositiveInt = 100_000
    """Documents of one room: a list of them is one answer, about 20 MB for so many."""

    room_info_bytes_max: PositiveInt = 8 << 10
    """Metadata and annotations of one room, as JSON: a list of rooms holds those of all of them."""

    room_connections_max: PositiveInt = 10_000
    """Connections to one room: a newcomer is told to all who watch its participants."""

    address_connections_max: PositiveInt = 5000
    """Connections from one address, or from one IPv6 network of 64 bits: an office or a school sits
    behind one, and one machine has 64,000 ports to dial from."""

    handshake_s_max: PositiveFloat = 5.0
    """A request is there so soon, headers and body, or its connection is closed."""

    handshake_bytes_max: PositiveInt = 16 << 10
    """A request, headers and body: a token twice, and what browsers and proxies add. Nobody has
    proved anything by then."""

    upload_s_max: PositiveFloat = 60.0
    """The body of a request that is permitted is there so soon."""

    transfer_stalled_s_max: PositiveFloat = 60.0
    """A client sends, asks for or takes some of a file within so long, or the transfer ends; so
    does any answer over HTTP of which nothing is taken. Tunnels of trains are shorter."""

    idle_s_max: PositiveFloat = 86_400.0
    """A connection without a message from its client for so long is closed. Readers that say
    nothing are honest, so it is long; those that are dead are found by `keepalive_s`."""

    value_depth_max: int = Field(default=64, gt=0, le=100)
    """Nested lists and maps in one value: native decoders recurse, and stacks end; that of JSON
    refuses what is nested 128 deep."""

    path_bytes_max: PositiveInt = 1024
    """A document's path, in UTF-8."""

    token_bytes_max: PositiveInt = 8 << 10
    """A participant token: headers and URLs of 8 KiB pass every proxy."""

    schema_bytes_max: PositiveInt = 256 << 10
    """The schema of one document, as JSON: every client that opens the document gets it."""

    issued_token_s: PositiveInt = 43_200
    """A token that the server makes for the holder of an API key lasts so long: a day's work, and
    no more once it is lost."""

    presence_bytes_max: PositiveInt = 64 << 10
    """One client's presence state; it is sent to everybody at every change."""

    answers_bytes_max: PositiveInt = 8 << 20
    """Answers to sync step 1 kept for one document until it changes: a crowd asks alike."""

    outbox_bytes_max: PositiveInt = 1 << 20
    """Unsent bytes for one reader: past it, one diff is cheaper than the backlog."""

    file_bytes_max: PositiveInt = 5 << 30
    """One file: uploads and downloads pass in parts, so that only the disk bounds it."""

    room_files_bytes_max: PositiveInt = 50 << 30
    """All files of one room."""

    room_files_max: PositiveInt = 100_000
    """Files and folders of one room; their names are in memory while the room is."""

    download_url_s: PositiveFloat = 3600.0
    """A URL that can be downloaded from without a token works so long."""

    queue_bytes_max: PositiveInt = 64 << 20
    """Messages of one queue that nobody has received, each with 256 bytes more than it has: they
    are in memory while the room is."""

    room_queues_max: PositiveInt = 1000
    """Queues of one room: a list of them is one answer."""

    room_log_entries_max: PositiveInt = 1000
    """The last entries of a room's log that are kept, in memory: to see what led to a fault."""

    room_log_bytes_max: int = Field(default=1 << 20, ge=256 << 10)
    """The same in bytes, as JSON; of one entry a quarter of it."""

    secret_bytes_max: PositiveInt = 16 << 10
    """One secret of a participant: a chain of certificates is a few KiB."""

    room_secrets_max: PositiveInt = 1000
    """Secrets of one room: all are read to find one, and a list of them is one answer."""

    secret_requests_max: PositiveInt = 1000
    """Requests for secrets of a room that are not answered yet."""

    secret_request_s_max: PositiveFloat = 3600.0
    """Such a request is open so long at most: people take their time to sign in."""

    room_containers_max: PositiveInt = 16
    """Containers of one room, running or ended, each with processes and a file system."""

    container_memory_bytes_max: PositiveInt = 1 << 30
    """Memory of one container; the engine ends what takes more."""

    container_cpus_max: PositiveFloat = 1.0
    """Cores that one container may keep busy."""

    container_processes_max: PositiveInt = 512
    """Processes and threads of one container: a loop that forks ends there."""

    container_files_bytes_max: PositiveInt = 256 << 20
    """Files of the room that are copied into one container: the engine's disk has them once more,
    and it starts when they are there."""

    room_images_max: PositiveInt = 16
    """Images that one room built: each takes of the engine's disk what its build writes."""

    build_bytes_max: PositiveInt = 256 << 20
    """What one image is built from, as it is sent."""

    build_s_max: PositiveFloat = 1800.0
    """A build that takes longer is given up."""

    build_log_bytes_max: PositiveInt = 1 << 20
    """Of what one build prints, in memory: the end of it says why it failed."""

    call_token_s: PositiveFloat = 600.0
    """A token for a call lets in for so long; LiveKit renews those of who is in."""

    llm_body_bytes_max: PositiveInt = 8 << 20
    """What a language model is asked at one time: a long conversation with a few pictures. While
    one is read nobody else is served, about 0.1 s for so many."""

    llm_requests_max: PositiveInt = 200
    """Requests for language models that are under way at one time, each with its body."""

    llm_silence_s_max: PositiveFloat = 600.0
    """A language model that says nothing for so long is given up; some think for minutes."""

    service_restart_s: PositiveFloat = 1.0
    """A service that ended is started again after so long, and after twice as long each time: one
    that fails at once should not take all of a core."""

    service_restart_s_max: PositiveFloat = 60.0
    """The longest of these pauses."""

    service_steady_s: PositiveFloat = 60.0
    """Who ran for so long begins with the shortest pause again."""

    service_stop_s: PositiveFloat = 5.0
    """A service that is told to end has so long before it is killed; a server that ends waits."""

    member_outbox_bytes_max: PositiveInt = 32 << 20
    """Messages for one participant that reads too slowly: no diff can stand in for them, so past it
    its connection is cut."""

    member_calls_max: PositiveInt = 1000
    """Calls of one participant that are not answered yet, or stream: agents have some dozens."""

    member_inbox_bytes_max: PositiveInt = 32 << 20
    """What one participant sent to its streams and no tool has read yet; those that carry much are
    asked for it part by part. Beyond an eighth, contents are confirmed only as they are read."""

    member_toolkits_bytes_max: PositiveInt = 4 << 20
    """Descriptions of the toolkits that one participant hosts, as JSON: a list of toolkits holds
    those of everybody."""

    outbox_stalled_s_max: PositiveFloat = 10.0
    """A reader that takes nothing for so long is closed."""

    refusal_s: PositiveFloat = 5.0
    """A refused socket is held so long before it is closed: older y-websocket providers reconnect
    at once, without end, when they are closed at once."""

    refusal_growth: float = Field(default=2.0, ge=1)
    """A client that comes back with the same oversized or malformed message is held so many times
    longer each time: it would send it again without end."""

    refusal_s_max: PositiveFloat = 60.0
    """The longest hold: one message a minute costs nothing, and people who share a token with an
    offender, or have mended their client, are not kept out for longer."""

    offence_s: PositiveFloat = 3600.0
    """An offence is forgotten when it was not repeated for so long."""

    offenders_max: PositiveInt = 10_000
    """Offences remembered at one time, about 300 bytes each; the oldest are forgotten first."""

    refusals_max: PositiveInt = 1000
    """Refused sockets held at one time; more than that are closed at once."""

    keepalive_s: PositiveFloat = 15.0
    """Every peer gets a message so often: y-websocket reconnects after 30 s of silence."""

    idle_document_s: PositiveFloat = 30.0
    """A document that nobody has open leaves memory after so long."""

    compaction_records_min: PositiveInt = 10_000
    """A document is compacted when it has grown by so many records: reading and merging them costs
    whoever opens it next about 0.1 s. A tenth is enough when nobody has it open any more."""

    compaction_bytes_min: PositiveInt = 1 << 20
    """The same for a document that has grown by so many bytes, records counting 64 beside their
    updates."""

    compaction_growth_min: float = Field(default=1.0, gt=0)
    """And it has grown by so many times its compacted size: compacting costs as much as the
    document is large, about 25 us a keystroke, and so it is done a few times all in all."""

    compaction_cpu_s_max: PositiveInt = 600
    """Compacting one document may take so long on one core: that is enough for 20 million
    keystrokes, and ends what a few bytes can make take for ever."""

    compaction_check_cpu_s: PositiveFloat = 10.0
    """Of that, native code may take so long to read the document before and after, and as much
    again for each MiB: it needs 0.5 s for a MiB of keystrokes, and no end for a few bytes."""

    compaction_s_max: PositiveFloat = 3600.0
    """The same by the clock: it yields to everything else on the machine."""

    compaction_memory_bytes_max: PositiveInt = 4 << 30
    """Address space of the process that compacts: it takes about 600 bytes a keystroke."""

    view_hosts_max: PositiveInt = 2
    """Processes that read and write content for REST and the command line, about 30 MB each."""

    view_cpu_s: PositiveFloat = 1.0
    """Processor time for one request to such a process, and as much again for each MiB of the
    document and of new content: what takes longer ends it, and the request is refused."""

    view_memory_bytes_max: PositiveInt = 1 << 30
    """Address space of such a process, some 100 MB of it its own: a few bytes can claim more."""

    view_idle_s: PositiveFloat = 30.0
    """Such a process ends when nothing was asked of it for so long."""

    view_waiting_max: PositiveInt = 64
    """Requests for content that may wait, each with a copy of its document."""

    hook_s_max: PositiveFloat = 10.0
    """A hook of the program around the server that takes longer is given up: somebody waits for
    it, a visitor, a document or the end of the server."""

    hooks_at_once_max: PositiveInt = 16
    """Hooks that run at one time to be told of something; the others wait."""

    hooks_waiting_max: PositiveInt = 10_000
    """News for hooks that may wait, about 2 KB each: hooks can be slower than what they hear of.
    And visitors that may wait to be let in by one."""

    change_quiet_s: PositiveFloat = 2.0
    """A change is told when nothing more was changed for so long: people type in bursts."""

    change_wait_s_max: PositiveFloat = 10.0
    """And at the latest so long after the first change that was not told yet."""

    commit_pause_s: float = 0.01
    """Under load, commits start at least so far apart; a lone update is committed at once. Each
    costs about 0.5 ms of processor time, however little is in it."""

    backlog: PositiveInt = 4096
    """Connections that may wait to be accepted, as when a whole office reconnects."""
