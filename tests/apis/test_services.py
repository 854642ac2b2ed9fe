"""The services of a room: listed as the SDKs read them, restarted where that is allowed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from syncroom.apis.services import RoomServices, Services
from syncroom.auth.scopes import ApiScope, ServicesGrant
from tests.apis.fakes import FakeCaller, ask


class FakeService:
    """A service that only counts."""

    def __init__(self, *, is_enabled: bool = True) -> None:
        self.is_enabled = is_enabled
        self.restarts = 0

    def describe(self) -> dict[str, Any]:
        return {"id": "clock"}

    def state(self) -> dict[str, Any]:
        return {"service_id": "clock", "state": "running", "restart_count": self.restarts}

    def restart(self) -> None:
        self.restarts += 1


def _services(**services: FakeService) -> Services:
    room = RoomServices()
    room.services.update(services)
    return Services(room)


def test_services_are_listed_with_their_states() -> None:
    services = _services(clock=FakeService())

    listed = ask(services, "list", FakeCaller("ann")).answer["json"]

    assert list(map(json.loads, listed["services_json"])) == [{"id": "clock"}]
    assert [each["state"] for each in listed["service_states"]] == ["running"]


def test_a_room_without_services_has_empty_lists() -> None:
    listed = ask(_services(), "list", FakeCaller("ann")).answer["json"]

    assert listed == {"services_json": [], "service_states": []}


def test_a_service_is_restarted() -> None:
    clock = FakeService()

    answer = ask(_services(clock=clock), "restart", FakeCaller("ann"), {"service_id": "clock"})

    assert answer.answer == {"type": "empty"}
    assert clock.restarts == 1


def test_what_is_not_there_or_disabled_is_not_restarted() -> None:
    services = _services(off=FakeService(is_enabled=False))

    for id, code in (("clock", 7001), ("off", 7002)):
        assert (
            ask(services, "restart", FakeCaller("ann"), {"service_id": id}).answer["code"] == code
        )


@pytest.mark.parametrize(
    ("scope", "tool", "is_allowed"),
    [
        (ApiScope(), "list", False),
        (ApiScope(), "restart", False),
        (ApiScope(services=ServicesGrant(list=False)), "list", False),
        (ApiScope(services=ServicesGrant(list=False)), "restart", True),
        (ApiScope(services=ServicesGrant()), "list", True),
    ],
)
def test_services_take_their_grant(scope: ApiScope, tool: str, is_allowed: bool) -> None:
    services = _services(clock=FakeService())

    answer = ask(services, tool, FakeCaller("ann", scope), {"service_id": "clock"}).answer

    assert (answer.get("code") != 1001) == is_allowed
