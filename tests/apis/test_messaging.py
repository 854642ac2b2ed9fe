"""Messages between participants: who gets them, who may send them, what is refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from syncroom.apis.messaging import Messaging
from syncroom.auth.scopes import ApiScope, MessagingGrant
from syncroom.limits import Limits
from tests.apis.fakes import FakeCaller, Sent, ask


class Scene:
    """Three participants of one room, and an editor."""

    def __init__(self, **scopes: ApiScope) -> None:
        self.ann, self.bob, self.cat = (
            FakeCaller(name, scopes.get(name)) for name in ("ann", "bob", "cat")
        )
        self.members = {each.id: each for each in (self.ann, self.bob, self.cat)}
        self.messaging = Messaging(self.members, lambda it: it == "id-of-editor", Limits())

    def enable(self, *callers: FakeCaller) -> None:
        for each in callers:
            assert ask(self.messaging, "enable", each).answer == {"type": "empty"}


def _scope(**rights: bool) -> ApiScope:
    return ApiScope(messaging=MessagingGrant(**rights))


def _error(caller: FakeCaller, scene: Scene, name: str, request: dict[str, Any]) -> tuple[str, int]:
    answer = ask(scene.messaging, name, caller, request).answer
    assert answer["type"] == "error"
    return answer["text"], answer["code"]


def test_who_enables_learns_who_is_here_and_they_of_it() -> None:
    scene = Scene()
    scene.enable(scene.bob)
    assert scene.bob.events() == [("messaging.enabled", {"participants": []})]

    scene.enable(scene.ann)

    bob = {"id": "id-of-bob", "role": "user", "attributes": {"name": "bob"}}
    ann = {"id": "id-of-ann", "role": "user", "attributes": {"name": "ann"}}
    assert scene.ann.events() == [("messaging.enabled", {"participants": [bob]})]
    assert scene.bob.events() == [("participant.enabled", ann)]
    assert scene.cat.sent == []


def test_who_may_not_list_sees_nobody_and_hears_of_nobody() -> None:
    scene = Scene(bob=_scope(list=False))
    scene.enable(scene.ann, scene.bob)
    assert scene.bob.events() == [("messaging.enabled", {"participants": []})]

    scene.messaging.change(scene.ann, {"mood": "good"})
    scene.messaging.leave(scene.ann)

    assert scene.bob.sent == []


@pytest.mark.parametrize("way", ["disable", "leave"])
def test_the_others_hear_who_goes(way: str) -> None:
    scene = Scene()
    scene.enable(scene.ann, scene.bob)
    scene.bob.events()

    if way == "disable":
        ask(scene.messaging, "disable", scene.ann)
    scene.messaging.leave(scene.ann)

    assert scene.bob.events() == [("participant.disabled", {"id": "id-of-ann"})]


def test_the_others_hear_what_somebody_newly_says_of_itself() -> None:
    scene = Scene()
    scene.enable(scene.ann, scene.bob)
    scene.ann.events()
    scene.bob.events()

    scene.messaging.change(scene.ann, {"mood": "good"})

    assert scene.bob.events() == [("participant.attributes", {"attributes": {"mood": "good"}})]
    assert scene.ann.sent == []


def test_a_message_reaches_one_with_its_attachment_also_who_did_not_enable() -> None:
    scene = Scene()
    attachment = base64.b64encode(b"\0bytes").decode()
    request = {"type": "hi", "message_json": '{"x": 1}', "attachment_base64": attachment}

    ask(scene.messaging, "send", scene.ann, {**request, "to_participant_id": scene.bob.id})

    header = {"from_participant_id": "id-of-ann", "type": "hi", "message": {"x": 1}}
    assert scene.bob.sent == [Sent("messaging.send", header, b"\0bytes")]
    assert scene.cat.sent == []


def test_a_broadcast_reaches_all_others_that_enabled() -> None:
    scene = Scene()
    scene.enable(scene.ann, scene.bob)
    scene.ann.events()
    scene.bob.events()

    ask(scene.messaging, "broadcast", scene.ann, {"type": "hi", "message_json": "{}"})

    assert scene.bob.events() == [("hi", {})]
    assert scene.ann.sent == scene.cat.sent == []


def test_a_message_to_nobody_is_refused_in_the_words_that_sdks_look_for() -> None:
    scene = Scene()

    text, code = _error(
        scene.ann, scene, "send", {"type": "hi", "to_participant_id": "id-of-nobody"}
    )

    assert (text, code) == ("the participant was not found", 1003)


def test_who_writes_to_an_editor_is_told_that_it_gets_no_messages() -> None:
    scene = Scene()

    text, code = _error(
        scene.ann, scene, "send", {"type": "hi", "to_participant_id": "id-of-editor"}
    )

    assert "gets no messages" in text
    assert code == 1003


@pytest.mark.parametrize(
    ("name", "rights"),
    [("send", {"send": False}), ("broadcast", {"broadcast": False}), ("enable", None)],
)
def test_what_is_not_granted_is_refused(name: str, rights: dict[str, bool] | None) -> None:
    scope = ApiScope() if rights is None else _scope(**rights)
    scene = Scene(ann=scope)
    request = {"type": "hi", "to_participant_id": scene.bob.id}

    text, code = _error(scene.ann, scene, name, request)

    assert "permission denied" in text
    assert "you do not have permission to perform the requested action" in text
    assert code == 1001
    assert scene.bob.sent == []


@pytest.mark.parametrize(
    "request_json",
    [
        {"type": "hi"},
        {"to_participant_id": "id-of-bob"},
        {"type": 5, "to_participant_id": "id-of-bob"},
        {"type": "hi", "to_participant_id": "id-of-bob", "message_json": "no JSON"},
        {"type": "hi", "to_participant_id": "id-of-bob", "message_json": "[]"},
        {"type": "hi", "to_participant_id": "id-of-bob", "attachment_base64": "?"},
        {"type": "x" * 600, "to_participant_id": "id-of-bob"},
    ],
)
def test_a_message_that_is_none_is_refused(request_json: dict[str, Any]) -> None:
    scene = Scene()

    assert _error(scene.ann, scene, "send", request_json)[1] == 1002
    assert scene.bob.sent == []


@pytest.mark.parametrize("name", ["send", "broadcast"])
@pytest.mark.parametrize(
    "kind",
    ["messaging.enabled", "participant.enabled", "participant.disabled", "participant.attributes"],
)
def test_nobody_speaks_for_the_room(name: str, kind: str) -> None:
    scene = Scene()
    scene.enable(scene.ann, scene.bob)
    scene.bob.events()
    gone = {"type": kind, "to_participant_id": "id-of-bob", "message_json": '{"id": "id-of-cat"}'}

    text, code = _error(scene.ann, scene, name, gone)

    assert (code, scene.bob.sent) == (1002, [])
    assert kind in text
