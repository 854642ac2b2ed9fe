"""The file of services: what it may say, and how it is refused where it is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncroom.auth.scopes import ApiScope
from syncroom.errors import Misconfigured
from syncroom.service_file import load_services

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
services:
  - id: greeter
    room: demo
    command: python "my greeter.py" --loud
  - id: clock
    room: demo
    name: The clock
    description: Tells the time.
    command: [python, clock.py]
    working_dir: /srv/clock
    env: {ZONE: UTC}
    restart: on-failure
    enabled: false
    token:
      name: Clock
      role: tool
      api: {messaging: {}, sync: {paths: [{path: clock}]}}
"""


def test_everything_may_be_said_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text(GOOD)

    greeter, clock = load_services(tmp_path, None)

    assert greeter.command == ["python", "my greeter.py", "--loud"]
    assert (greeter.restart, greeter.enabled) == ("always", True)
    assert greeter.token.api == ApiScope.agent_default()
    assert clock.command == ["python", "clock.py"]
    assert clock.env == {"ZONE": "UTC"}
    assert clock.token.api.messaging is not None and clock.token.api.storage is None


def test_no_file_is_no_services_unless_it_was_named(tmp_path: Path) -> None:
    assert load_services(tmp_path, None) == []

    with pytest.raises(Misconfigured, match=r"named\.yaml"):
        load_services(tmp_path, tmp_path / "named.yaml")


LINE = "{id: a, room: demo, command: x"


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ("services: [", ["no YAML"]),
        ("", ["a mapping that has 'services'"]),
        ("services: 1", ["services"]),
        ("service: []", ["services", "Field required"]),
        ("services: [1]", ["service number 1, all of it"]),
        ("services: [{room: demo, command: x}]", ["service number 1, id", "Field required"]),
        (f"services: [{LINE}, restart: often}}]", ["service 'a', restart", "'never'"]),
        (f"services: [{LINE}, comand: y}}]", ["service 'a', comand", "not permitted"]),
        (f"services: [{LINE}, env: {{N: 1}}}}]", ["service 'a', env.N", "string"]),
        (f"services: [{LINE}, token: {{api: {{chat: {{}}}}}}}}]", ["token.api", "no API 'chat'"]),
        (f"services: [{LINE}, token: {{api: {{sync: 1}}}}}}]", ["service 'a', token.api.sync"]),
        ("services: [{id: a, room: Demo, command: x}]", ["service 'a', room", "'Demo'"]),
        ("services: [{id: a, room: demo, command: []}]", ["service 'a', command", "at least 1"]),
        ("services: [{id: a, room: demo, command: 'x \"'}]", ["service 'a', command", "quotation"]),
        ("services: [{id: A/B, room: demo, command: x}]", ["service 'A/B', id"]),
        (f"services: [{LINE}}}, {LINE}}}]", ["two services 'a' in the room 'demo'"]),
        ("services: !!python/object/apply:os.getcwd []", ["no YAML"]),
    ],
)
def test_what_is_wrong_is_told_with_file_service_and_field(
    tmp_path: Path, text: str, complaints: list[str]
) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(text)

    with pytest.raises(Misconfigured) as refused:
        load_services(tmp_path, None)

    for each in (str(file), *complaints):
        assert each in str(refused.value)


def test_what_may_be_secret_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text(f"services: [{LINE}, env: [hunter2]}}]")

    with pytest.raises(Misconfigured) as refused:
        load_services(tmp_path, None)

    assert "hunter2" not in str(refused.value)
