"""Services: started with a token, started again by their policy, ended with all they started."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from syncroom.auth.keys import Keyring
from syncroom.auth.scopes import ApiScope, MessagingGrant
from syncroom.auth.token import ParticipantToken
from syncroom.limits import Limits
from syncroom.service_file import ServiceConfig, TokenConfig
from syncroom.supervisor import Supervised, Supervisor
from tests.support.pids import Watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

KEYRING = Keyring("a secret that is long enough for every HMAC there is")
URL = "http://127.0.0.1:8420"
QUICK = {"service_restart_s": 0.01, "service_restart_s_max": 0.02}
WAIT_S_MAX = 60.0


def config(program: str, **more: Any) -> ServiceConfig:
    """A service that runs a program in Python."""
    command = [sys.executable, "-u", "-c", program]
    return ServiceConfig.model_validate({"id": "a", "room": "demo", "command": command, **more})


class Scene:
    """Services, and what is said of them."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, dict[str, Any]]] = []
        self._supervisors: list[Supervisor] = []
        self._news = asyncio.Event()

    def run(self, config: ServiceConfig, **limits: float) -> Supervised:
        allowed = Limits.model_validate({**QUICK, **limits})
        supervisor = Supervisor([config], KEYRING, allowed, self._note)
        room = supervisor.room(config.room)
        room.on_change = lambda _: self._news.set()
        self._supervisors.append(supervisor)
        supervisor.start(URL)
        service = room.services[config.id]
        assert isinstance(service, Supervised)
        return service

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S_MAX):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        for supervisor in self._supervisors:
            await supervisor.close()

    def messages(self) -> list[str]:
        return [data["message"] for _, _, data in self.said]

    def _note(self, room: str, kind: str, data: dict[str, Any]) -> None:
        self.said.append((room, kind, data))
        self._news.set()


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    opened = Scene()
    yield opened
    await opened.close()


async def test_a_service_gets_where_to_go_and_a_token_for_its_room(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCROOM_SECRET", "not for services")
    monkeypatch.setenv("MESHAGENT_API_KEY", "nor this")
    names = "MESHAGENT_API_URL MESHAGENT_ROOM GREETING SYNCROOM_SECRET MESHAGENT_API_KEY".split()
    program = f"""
import os, pathlib
pathlib.Path(os.environ["TOKEN_FILE"]).write_text(os.environ["MESHAGENT_TOKEN"])
print([os.environ.get(name) for name in {names}])
"""
    reader, writer = os.pipe()
    token = TokenConfig(name="Greeter", api=ApiScope(messaging=MessagingGrant()))
    env = {"GREETING": "hi", "TOKEN_FILE": f"/proc/{os.getpid()}/fd/{writer}"}

    scene.run(config(program, env=env, token=token, restart="never"))
    await scene.until(lambda: len(scene.said) >= 2)

    minted = ParticipantToken.from_jwt(os.read(reader, 1 << 16).decode(), keyring=KEYRING, now=0)
    os.close(reader)
    os.close(writer)
    assert scene.messages()[0] == f"[{URL!r}, 'demo', 'hi', None, None]"
    assert (minted.name, minted.rooms, minted.role) == ("Greeter", ["demo"], "agent")
    assert minted.get_api_grant() == token.api


async def test_what_it_prints_is_said_in_the_log_without_tokens(scene: Scene) -> None:
    program = """
import os, sys
print("one"); print(os.environ["MESHAGENT_TOKEN"]); print("x" * 100_000)
sys.stderr.write("no newline \\xff")
"""
    scene.run(config(program, restart="never"))
    await scene.until(lambda: any("exit code" in each for each in scene.messages()))

    out = [data["message"] for _, _, data in scene.said if data.get("stream") == "stdout"]
    assert out[:2] == ["one", "<token>"]
    assert max(map(len, out)) <= 8 << 10
    [err] = [data["message"] for _, _, data in scene.said if data.get("stream") == "stderr"]
    assert err.startswith("no newline")
    assert {(room, kind) for room, kind, _ in scene.said} == {("demo", "info")}


@pytest.mark.parametrize(
    ("policy", "code", "is_again"),
    [
        ("always", 0, True),
        ("always", 3, True),
        ("on-failure", 0, False),
        ("on-failure", 3, True),
        ("never", 3, False),
    ],
)
async def test_a_service_that_ends_runs_again_by_its_policy(
    scene: Scene, policy: str, code: int, is_again: bool
) -> None:
    service = scene.run(config(f"raise SystemExit({code})", restart=policy))

    await scene.until(lambda: service.state().get("last_exit_code") == code)
    if is_again:
        await scene.until(lambda: service.state()["restart_count"] >= 2)
    else:
        await scene.until(lambda: service.state()["state"] == "exited")
        assert service.state()["restart_count"] == 0


async def test_the_pause_before_the_next_start_is_told_and_grows(scene: Scene) -> None:
    limits = {"service_restart_s": 0.01, "service_restart_s_max": 3600.0}
    service = scene.run(config("raise SystemExit(1)"), **limits)
    pauses: list[float] = []

    while len(pauses) < 4:
        await scene.until(lambda: service.state()["restart_count"] >= len(pauses))
        await scene.until(lambda: service.state()["state"] == "restarting")
        state = service.state()
        pauses.append(state["restart_scheduled_at"] - state["last_exit_at"])
        await scene.until(lambda: service.state()["state"] != "restarting")

    assert all(pause >= 0.01 * 2**number for number, pause in enumerate(pauses))


async def test_a_service_is_restarted_on_demand_whatever_its_policy(scene: Scene) -> None:
    program = "import time; print('up'); time.sleep(3600)"
    service = scene.run(config(program, restart="never"))
    await scene.until(lambda: scene.messages().count("up") == 1)

    service.restart()
    await scene.until(lambda: scene.messages().count("up") == 2)

    assert service.state()["restart_count"] == 1
    assert service.state()["last_exit_code"] == 128 + 15


async def test_a_service_that_had_ended_is_started_on_demand(scene: Scene) -> None:
    service = scene.run(config("print('up')", restart="never"))
    await scene.until(lambda: service.state().get("last_exit_code") == 0)

    service.restart()

    await scene.until(lambda: scene.messages().count("up") == 2)


async def test_a_command_that_can_not_be_run_is_told(scene: Scene, tmp_path: Path) -> None:
    missing = ServiceConfig(id="a", room="demo", command=["/no/such/program"], restart="never")
    elsewhere = config("", restart="never", working_dir=str(tmp_path / "missing"))

    for service in (scene.run(missing), scene.run(elsewhere)):
        await scene.until(lambda service=service: "last_start_error" in service.state())  # type: ignore[misc]

        assert "No such file" in service.state()["last_start_error"]


async def test_a_disabled_service_does_not_run(scene: Scene) -> None:
    service = scene.run(config("print('up')", enabled=False))

    await asyncio.sleep(0)

    assert service.state()["state"] == "disabled"
    assert scene.said == []


async def test_at_the_end_a_service_may_end_by_itself(scene: Scene) -> None:
    program = """
import signal, sys, time
def end(*_):
    print("bye"); sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up"); time.sleep(3600)
"""
    service = scene.run(config(program))
    await scene.until(lambda: "up" in scene.messages())

    await scene.close()

    assert "bye" in scene.messages()
    assert service.state()["state"] == "stopped"
    assert service.state()["last_exit_code"] == 0


async def test_at_the_end_who_does_not_end_is_killed_with_its_children(scene: Scene) -> None:
    program = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"]).pid)
time.sleep(3600)
"""
    scene.run(config(program), service_stop_s=0.2)
    await scene.until(lambda: len(scene.messages()) == 1)
    child = Watched(int(scene.messages()[0]))

    await scene.close()

    child.wait()
