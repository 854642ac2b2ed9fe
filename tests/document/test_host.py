"""View hosts as the server uses them: real processes, one of them killed now and then."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pycrdt
import pytest

from syncroom.document.host import HostDied, ViewHosts
from syncroom.document.log import EMPTY_UPDATE
from syncroom.errors import Damaged, LimitExceeded, Malformed, SyncroomError, Unavailable
from syncroom.limits import Limits
from tests.document.fakes import WAIT_S_MAX, turn
from tests.support import corpus
from tests.support.editor import Notebook
from tests.support.poison import poison

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Hosts = Callable[..., ViewHosts]


@pytest.fixture
async def make_hosts() -> AsyncIterator[Hosts]:
    """Hosts that answer fast; limits by name."""
    made: list[ViewHosts] = []

    def make(**limits: float) -> ViewHosts:
        made.append(ViewHosts(Limits.model_validate({"view_cpu_s": 0.5} | limits)))
        return made[-1]

    yield make
    for hosts in made:
        await hosts.close()


def note(text: str = "hello") -> bytes:
    notebook = Notebook(client_id=1)
    notebook.insert(0, text)
    return notebook.doc.get_update()


def slow_search() -> dict[str, object]:
    """A search that goes on for ever in a note of many a."""
    return {"query": "(a|aa)*b", "is_regex": True}


def children() -> set[int]:
    """The processes that this one has started and that still run."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(name[1]) == os.getpid() and name[0] != "Z":
            found.add(int(folder.name))
    return found


async def gone(process: int) -> None:
    """Wait until a process has ended."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(WAIT_S_MAX):
            await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


async def host_of(hosts: ViewHosts) -> int:
    """The one process of some hosts, idle."""
    before = children()
    await hosts.call("json", note())
    (process,) = children() - before
    return process


async def test_a_document_is_read_in_another_process(make_hosts: Hosts) -> None:
    answer = await make_hosts().call("json", note())

    assert answer.value == {"text": "hello"}


async def test_no_host_is_started_before_it_is_needed(make_hosts: Hosts) -> None:
    before = children()

    make_hosts()

    assert children() == before


async def test_one_host_serves_many_requests(make_hosts: Hosts) -> None:
    hosts = make_hosts()

    for _ in range(5):
        await hosts.call("json", note())

    assert hosts.started == 1


async def test_more_hosts_than_allowed_never_run(make_hosts: Hosts) -> None:
    hosts = make_hosts(view_hosts_max=2)

    await asyncio.gather(*[hosts.call("json", note()) for _ in range(8)])

    assert hosts.started == 2


async def test_requests_beyond_those_that_may_wait_are_refused(make_hosts: Hosts) -> None:
    hosts = make_hosts(view_waiting_max=2)

    answers = await asyncio.gather(
        *[hosts.call("json", note()) for _ in range(3)], return_exceptions=True
    )

    assert [type(answer) is Unavailable for answer in answers] == [False, False, True]


async def test_what_takes_too_long_ends_the_host_and_the_next_request_has_a_new_one(
    make_hosts: Hosts,
) -> None:
    hosts = make_hosts()

    with pytest.raises(HostDied, match="processor time") as death:
        await hosts.call("search", note("a" * 60), **slow_search())

    assert death.value.is_spent
    assert (await hosts.call("json", note())).value == {"text": "hello"}
    assert (hosts.started, hosts.died) == (2, 1)


async def test_native_code_that_never_ends_is_ended(make_hosts: Hosts) -> None:
    hosts = make_hosts()

    with pytest.raises(HostDied, match="processor time"):
        await hosts.call("json", poison())


async def test_a_host_killed_in_the_middle_of_a_request_is_noticed_and_replaced(
    make_hosts: Hosts,
) -> None:
    hosts = make_hosts(view_cpu_s=30.0)
    process = await host_of(hosts)
    request = asyncio.ensure_future(hosts.call("search", note("a" * 60), **slow_search()))
    await turn()

    os.kill(process, signal.SIGKILL)

    with pytest.raises(HostDied, match="SIGKILL"):
        await request
    assert (await hosts.call("json", note())).value == {"text": "hello"}


async def test_a_host_killed_while_idle_costs_one_request(make_hosts: Hosts) -> None:
    hosts = make_hosts()
    process = await host_of(hosts)

    os.kill(process, signal.SIGKILL)
    await gone(process)

    with pytest.raises(HostDied, match="SIGKILL"):
        await hosts.call("json", note())
    assert (await hosts.call("json", note())).value == {"text": "hello"}


async def test_a_cancelled_request_takes_its_host_with_it(make_hosts: Hosts) -> None:
    hosts = make_hosts(view_cpu_s=30.0)
    process = await host_of(hosts)
    request = asyncio.ensure_future(hosts.call("search", note("a" * 60), **slow_search()))
    await turn()

    request.cancel()

    with pytest.raises(asyncio.CancelledError):
        await request
    await gone(process)
    assert (await hosts.call("json", note())).value == {"text": "hello"}


async def test_memory_beyond_the_bound_is_refused_by_the_system(make_hosts: Hosts) -> None:
    hosts = make_hosts(view_memory_bytes_max=256 << 20, view_cpu_s=60.0)

    with pytest.raises(HostDied) as death:
        await hosts.call("json", note("a" * (48 << 20)))

    assert death.value.is_spent


async def test_an_idle_host_ends(make_hosts: Hosts) -> None:
    process = await host_of(make_hosts(view_idle_s=0.2))

    await gone(process)


async def test_close_ends_the_hosts(make_hosts: Hosts) -> None:
    hosts = make_hosts()
    before = children()
    await hosts.call("json", note())

    await hosts.close()

    assert children() == before


async def test_a_host_inherits_no_file_and_no_secret(
    make_hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCROOM_SECRET", "a secret of the server")
    before = children()
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)

        await make_hosts().call("json", note())

        (process,) = children() - before
        folder = Path(f"/proc/{process}")
        assert {int(each.name) for each in (folder / "fd").iterdir()} == {0, 1, 2}
        assert b"a secret of the server" not in (folder / "environ").read_bytes()
        assert b"RUST_BACKTRACE=0" in (folder / "environ").read_bytes()


async def test_errors_come_back_as_what_they_are(make_hosts: Hosts) -> None:
    hosts = make_hosts(view_cpu_s=30.0)
    with pytest.raises(Damaged, match="the bytes end"):
        await hosts.call("json", b"\xff")
    with pytest.raises(Malformed, match="pattern"):
        await hosts.call("search", note("x"), query="(", is_regex=True)


async def test_a_document_nested_without_end_is_too_much(make_hosts: Hosts) -> None:
    document = Notebook().doc

    inner: pycrdt.Array[object] = document.get("list", type=pycrdt.Array)
    for _ in range(1500):
        inner.append(pycrdt.Array())
        inner = inner[0]  # type: ignore[assignment]

    with pytest.raises(LimitExceeded, match="nested too deep"):
        await make_hosts(view_cpu_s=30.0).call("json", document.get_update())


async def test_a_fault_of_our_own_is_no_death_and_quotes_nothing(make_hosts: Hosts) -> None:
    hosts = make_hosts()

    with pytest.raises(SyncroomError, match=r"KeyError at .*view\.py") as fault:
        await hosts.call("no such thing as this", note("a secret"))

    assert not isinstance(fault.value, HostDied)
    assert "secret" not in str(fault.value)
    assert hosts.died == 0


async def test_no_update_of_the_corpus_hurts_more_than_its_own_request(make_hosts: Hosts) -> None:
    hosts = make_hosts()

    for case in corpus.cases():
        if case.kind == "update":
            try:
                await hosts.call("json", case.payload())
            except SyncroomError:
                pass
            assert (await hosts.call("json", note())).value == {"text": "hello"}, case.name


async def test_the_memory_of_the_server_is_not_taken_for_that_of_a_host(
    make_hosts: Hosts,
) -> None:
    ballast = b"x" * (300 << 20)
    hosts = make_hosts()

    answer = await hosts.call("check", EMPTY_UPDATE)

    assert answer.value["peak_bytes"] < len(ballast) / 2
