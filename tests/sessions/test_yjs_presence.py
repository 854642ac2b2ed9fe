"""
Presence: seen at once, gone at once, and nobody speaks for anybody else.

The JavaScript clients here have no timers, and the clients by hand never had any: what they see,
they see because the server sent it, not because somebody repeated it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pycrdt
import pytest

from tests.support import wire
from tests.support.editor import Editor
from tests.support.node import VERSIONS
from tests.support.raw import RawClient, joined, refusal
from tests.support.wire import State

if TYPE_CHECKING:
    from tests.support.node import NodeClient, NodeDriver
    from tests.support.server import Server

any_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda v: f"y-websocket-{v}")

ANN, BOB, MALLORY = 11, 12, 66
CLOCK_MAX = 2**53 - 1


class Place:
    """A document of one room, and how named people get to it."""

    def __init__(self, server: Server, room: str, path: str = "notes") -> None:
        self.server = server
        self.room = room
        self.path = path

    def url(self, name: str, **claims: Any) -> str:
        token = self.server.token(room=self.room, name=name, **claims)
        return self.server.document_url(self.path, token, self.room)

    async def provider(
        self, node: NodeDriver, name: str, version: int = 3, **options: Any
    ) -> NodeClient:
        token = self.server.token(room=self.room, name=name)
        client = await node.open(
            self.server.yjs_url(self.room),
            self.path,
            version=version,
            token=token,
            renews=False,
            **options,
        )
        await client.synced()
        return client


@pytest.fixture
def place(shared_server: Server, room: str) -> Place:
    return Place(shared_server, room)


async def test_a_newcomer_is_sent_all_states_before_anything_else_happens(place: Place) -> None:
    async with joined(place.url("ann")) as ann, joined(place.url("bob")) as bob:
        await ann.send(wire.awareness(State(ANN, 1, {"mood": "curious"})))
        await bob.send(wire.awareness(State(BOB, 1, {"mood": "silent"})))
        await ann.until(lambda: BOB in ann.present(), "bob's presence")
        await bob.until(lambda: ANN in bob.present(), "ann's presence")

        async with joined(place.url("cid")) as newcomer:
            first = await newcomer.first("awareness")

            assert sorted(state.client for state in first.states) == [ANN, BOB]


async def test_nobody_is_sent_their_own_state(place: Place) -> None:
    async with joined(place.url("ann")) as ann, joined(place.url("bob")) as bob:
        await ann.send(wire.awareness(State(ANN, 1, {"mood": "curious"})))
        await bob.until(lambda: ANN in bob.present(), "ann's presence")
        await ann.send(wire.QUERY)
        await ann.round_trip()

        assert ANN not in ann.presence()


@any_version
async def test_a_dropped_socket_takes_its_presence_with_it(
    place: Place, node: NodeDriver, version: int
) -> None:
    ann = await place.provider(node, "ann", version, awareness={"mood": "curious"})
    bob = await place.provider(node, "bob", version)
    await bob.sees(ann.client_id)

    await ann.cut()

    await bob.sees_no(ann.client_id)
    await ann.close()
    await bob.close()


async def test_a_connection_speaks_for_one_client_only(place: Place) -> None:
    async with joined(place.url("ann")) as ann, joined(place.url("bob")) as bob:
        await ann.send(wire.awareness(State(ANN, 1, {}), State(ANN + 100, 1, {})))
        await ann.send(wire.awareness(State(ANN + 200, 1, {}), State(ANN, 2, {"last": True})))

        await bob.until(lambda: _field(bob.present().get(ANN), "last") is True, "ann's last state")
        assert bob.present().keys() == {ANN}


async def test_whoever_drops_dead_is_gone_for_those_who_watch(place: Place) -> None:
    async with joined(place.url("bob")) as bob:
        ann = await RawClient.open(place.url("ann"))
        await ann.send(wire.awareness(State(ANN, 1, {})))
        await bob.until(lambda: ANN in bob.present(), "ann's presence")

        await ann.cut()

        await bob.until(lambda: not bob.present(), "ann's farewell")


async def test_who_says_goodbye_is_gone_at_once(place: Place) -> None:
    async with joined(place.url("ann")) as ann, joined(place.url("bob")) as bob:
        await ann.send(wire.awareness(State(ANN, 1, {"mood": "curious"})))
        await bob.until(lambda: ANN in bob.present(), "ann's presence")

        await ann.send(wire.awareness(State(ANN, 1, None)))

        await bob.until(lambda: ANN not in bob.present(), "ann's farewell")


@any_version
@pytest.mark.parametrize("leaves_by", ["cut", "disconnect"])
async def test_who_comes_back_unchanged_is_seen_and_sees_at_once(
    place: Place, node: NodeDriver, version: int, leaves_by: str
) -> None:
    ann = await place.provider(node, "ann", version, awareness={"mood": "curious"})
    bob = await place.provider(node, "bob", version, awareness={"mood": "silent"})
    await bob.sees(ann.client_id, mood="curious")
    await ann.sees(bob.client_id, mood="silent")
    await getattr(ann, leaves_by)()
    await bob.sees_no(ann.client_id)
    await ann.sees_no(bob.client_id)

    await ann.connect()

    await bob.sees(ann.client_id, mood="curious")
    await ann.sees(bob.client_id, mood="silent")
    await ann.close()
    await bob.close()


async def test_who_comes_back_with_an_old_clock_is_seen(place: Place) -> None:
    async with joined(place.url("bob")) as bob:
        for _ in range(3):
            async with joined(place.url("ann")) as ann:
                await ann.send(wire.awareness(State(ANN, 1, {"mood": "curious"})))

                await bob.until(lambda: ANN in bob.present(), "ann's presence")
            await bob.until(lambda: ANN not in bob.present(), "ann's farewell")


async def test_changes_of_a_state_are_seen_in_order(place: Place) -> None:
    async with joined(place.url("ann")) as ann, joined(place.url("bob")) as bob:
        for clock in range(1, 21):
            await ann.send(wire.awareness(State(ANN, clock, {"cursor": clock})))

        await bob.until(lambda: _field(bob.present().get(ANN), "cursor") == 20, "the last cursor")

        seen = [
            _field(state.value, "cursor")
            for message in bob.of_kind("awareness")
            for state in message.states
        ]
        assert seen == sorted(set(seen), key=lambda cursor: int(str(cursor)))


def _field(state: wire.JSON, name: str) -> wire.JSON:
    return state[name] if isinstance(state, dict) and name in state else None


# -- nobody speaks for somebody else


@pytest.mark.parametrize(
    "forgery",
    [
        State(ANN, 1000, {"mood": "robbed"}),
        State(ANN, 1000, None),
        State(ANN, 1, None),
        State(ANN, CLOCK_MAX, None),
        State(ANN, CLOCK_MAX, {"mood": "robbed"}),
    ],
    ids=["a state", "a farewell", "a farewell at its clock", "an end for ever", "a state for ever"],
)
async def test_a_forged_state_changes_nothing(place: Place, forgery: State) -> None:
    async with (
        joined(place.url("ann")) as ann,
        joined(place.url("bob")) as bob,
        joined(place.url("mallory")) as mallory,
    ):
        await ann.send(wire.awareness(State(ANN, 1, {"mood": "curious"})))
        await bob.until(lambda: ANN in bob.present(), "ann's presence")
        await mallory.until(lambda: ANN in mallory.present(), "ann's presence")

        await mallory.send(wire.awareness(forgery, State(MALLORY, 1, {})))

        await bob.until(lambda: MALLORY in bob.present(), "mallory's own presence")
        assert _field(bob.present()[ANN], "mood") == "curious"
        await ann.send(wire.awareness(State(ANN, 2, {"mood": "amused"})))
        await bob.until(
            lambda: _field(bob.present().get(ANN), "mood") == "amused", "ann's next state"
        )


async def test_a_forged_farewell_does_not_make_a_provider_defend_itself(
    place: Place, node: NodeDriver
) -> None:
    ann = await place.provider(node, "ann", awareness={"mood": "curious"})
    bob = await place.provider(node, "bob")
    await bob.sees(ann.client_id)
    async with joined(place.url("mallory")) as mallory:
        await mallory.send(
            wire.awareness(State(ann.client_id, CLOCK_MAX, None), State(MALLORY, 1, {}))
        )

        await bob.sees(MALLORY)

        await bob.sees(ann.client_id, mood="curious")
        assert (await ann.states())[ann.client_id] == {"mood": "curious"}
    await ann.close()
    await bob.close()


async def test_repeating_what_was_heard_of_others_is_neither_offence_nor_claim(
    place: Place,
) -> None:
    async with joined(place.url("ann")) as ann, joined(place.url("bob")) as bob:
        await ann.send(wire.awareness(State(ANN, 1, {"mood": "curious"})))
        await bob.until(lambda: ANN in bob.present(), "ann's presence")
        heard = bob.presence()[ANN]

        await bob.send(wire.awareness(heard))
        await bob.round_trip()

        assert bob.of_kind("denied") == []
        await ann.send(wire.awareness(State(ANN, 2, {"mood": "amused"})))
        await bob.until(
            lambda: _field(bob.present().get(ANN), "mood") == "amused", "ann's next state"
        )


async def test_a_state_says_who_its_client_is_and_keeps_the_rest(place: Place) -> None:
    async with (
        joined(place.url("ann", role="agent")) as ann,
        joined(place.url("bob")) as bob,
    ):
        claimed: dict[str, wire.JSON] = {
            "user": {"name": "the owner", "role": "admin", "id": "0", "color": "#c0ffee"},
            "cursor": [1, 2],
        }

        await ann.send(wire.awareness(State(ANN, 1, claimed)))

        await bob.until(lambda: ANN in bob.present(), "ann's presence")
        state = bob.present()[ANN]
        assert isinstance(state, dict)
        user = state["user"]
        assert isinstance(user, dict)
        assert (user["name"], user["role"], user["color"]) == ("ann", "agent", "#c0ffee")
        assert user["id"] not in ("0", "", None)
        assert state["cursor"] == [1, 2]


@pytest.mark.parametrize("user", ["nothing", None, "the owner", 5, ["the owner"], {}])
async def test_a_state_without_a_proper_user_gets_one(place: Place, user: Any) -> None:
    state = {} if user == "nothing" else {"user": user}
    async with joined(place.url("ann")) as ann, joined(place.url("bob")) as bob:
        await ann.send(wire.awareness(State(ANN, 1, state)))

        await bob.until(lambda: ANN in bob.present(), "ann's presence")
        assert _field(_field(bob.present()[ANN], "user"), "name") == "ann"


async def test_one_person_has_one_id_in_all_documents(shared_server: Server, room: str) -> None:
    ids = []
    for path in ("one", "two"):
        place = Place(shared_server, room, path)
        async with joined(place.url("ann")) as ann, joined(place.url("bob")) as bob:
            await ann.send(wire.awareness(State(ANN, 1, {})))
            await bob.first("awareness")
            ids.append(_field(_field(bob.present()[ANN], "user"), "id"))

    assert ids[0] == ids[1]


# -- the list of participants


@pytest.fixture
def watched(shared_server: Server, room: str) -> Place:
    return Place(shared_server, room, ".room/participants")


def participants(client: RawClient) -> dict[str, dict[str, Any]]:
    """By name, what the server tells of each participant."""
    listed: pycrdt.Map[Any] = client.document().get("participants", type=pycrdt.Map)
    entries = listed.to_py() or {}
    assert all(entry["id"] == number for number, entry in entries.items())
    return {entry["name"]: entry for entry in entries.values()}


async def test_participants_are_listed_with_role_and_connections(
    place: Place, watched: Place
) -> None:
    async with joined(place.url("ann", role="agent")), joined(watched.url("bob")) as bob:
        await bob.until(lambda: {"ann", "bob"} <= participants(bob).keys(), "both names")

        ann = participants(bob)["ann"]
        assert (ann["role"], ann["connections"]) == ("agent", 1)


async def test_who_comes_and_goes_is_seen_in_the_list_at_once(place: Place, watched: Place) -> None:
    async with joined(watched.url("bob")) as bob:
        async with joined(place.url("ann")):
            await bob.until(lambda: "ann" in participants(bob), "ann's coming")

        await bob.until(lambda: "ann" not in participants(bob), "ann's going")


async def test_a_participant_with_two_connections_is_listed_once(
    place: Place, watched: Place
) -> None:
    async with joined(watched.url("bob")) as bob, joined(place.url("ann")):
        second = await RawClient.open(place.url("ann"))
        await bob.until(
            lambda: participants(bob).get("ann", {}).get("connections") == 2, "two connections"
        )

        await second.cut()

        await bob.until(
            lambda: participants(bob).get("ann", {}).get("connections") == 1, "one connection"
        )


async def test_the_list_names_people_as_their_presence_does(place: Place, watched: Place) -> None:
    async with (
        joined(place.url("ann")) as ann,
        joined(place.url("bob")) as bob,
        joined(watched.url("bob")) as watching,
    ):
        await ann.send(wire.awareness(State(ANN, 1, {})))
        await bob.until(lambda: ANN in bob.present(), "ann's presence")
        await watching.until(lambda: "ann" in participants(watching), "ann in the list")

        stamped = _field(_field(bob.present()[ANN], "user"), "id")

        assert stamped == participants(watching)["ann"]["id"]


async def test_a_provider_can_watch_the_list(
    place: Place, watched: Place, node: NodeDriver
) -> None:
    watching = await watched.provider(node, "bob")
    await watching.map_has(1, name="participants")

    async with joined(place.url("ann")):
        await watching.map_has(2, name="participants")
    await watching.map_has(1, name="participants")
    await watching.close()


@pytest.mark.parametrize(
    "scope",
    [{"sync": {}}, {"sync": {}, "messaging": {"list": False}}],
    ids=["no messaging", "messaging without the list"],
)
async def test_the_list_is_only_for_those_who_may_list(
    watched: Place, scope: dict[str, Any]
) -> None:
    _, (code, _) = await refusal(watched.url("ann", scope=scope))

    assert code == 4403


async def test_the_list_may_be_watched_without_any_document(watched: Place) -> None:
    async with joined(watched.url("ann", scope={"messaging": {}})) as ann:
        await ann.until(lambda: "ann" in participants(ann), "ann in the list")


async def test_the_list_can_not_be_written(watched: Place) -> None:
    mallory = Editor()
    mallory.map_type("participants")["x"] = {"id": "x", "name": "a ghost"}
    async with joined(watched.url("ann")) as ann, joined(watched.url("mallory")) as socket:
        await socket.send(wire.update(mallory.made[0]))

        await socket.first("denied")
        async with joined(watched.url("cid")) as newcomer:
            await newcomer.until(lambda: "cid" in participants(newcomer), "the newcomer")
            assert "a ghost" not in participants(newcomer)
        assert "a ghost" not in participants(ann)


# -- after the server was away


async def test_a_watcher_keeps_no_ghosts_of_presence_after_a_crash(
    server: Server, node: NodeDriver
) -> None:
    place = Place(server, "demo")
    ann = await place.provider(node, "ann", awareness={"mood": "curious"})
    bob = await place.provider(node, "bob", awareness={"mood": "silent"})
    await bob.sees(ann.client_id)
    seen = len(await bob.events())
    await asyncio.to_thread(server.kill)
    await ann.event(type="close")
    await ann.close()

    await asyncio.to_thread(server.start)

    await bob.event(type="sync", synced=True, after=seen)
    await bob.insert(0, "back")
    async with joined(place.url("cid")) as newcomer:
        await newcomer.until(lambda: newcomer.text() == "back", "bob's return")
        await newcomer.until(lambda: bob.client_id in newcomer.present(), "bob's presence")
        assert ann.client_id not in newcomer.present()
    assert ann.client_id not in await bob.states()
    await bob.close()


@pytest.mark.parametrize("version", [2, 3, 4], ids=lambda v: f"y-websocket-{v}")
async def test_a_watcher_of_the_list_keeps_no_ghosts_after_a_crash(
    server: Server, node: NodeDriver, version: int
) -> None:
    watching = await Place(server, "demo", ".room/participants").provider(node, "bob", version)
    async with joined(Place(server, "demo").url("ann")):
        await watching.map_has(2, name="participants")
        await asyncio.to_thread(server.kill)
    await watching.event(type="sync", synced=False)

    await asyncio.to_thread(server.start)

    await watching.map_has(1, name="participants")
    listed = (await watching.content(maps=["participants"]))["maps"]["participants"]
    assert [entry["name"] for entry in listed.values()] == ["bob"]
    await watching.close()


async def test_the_list_after_a_crash_goes_on_living(server: Server, node: NodeDriver) -> None:
    watching = await Place(server, "demo", ".room/participants").provider(node, "bob")
    await watching.map_has(1, name="participants")
    await asyncio.to_thread(server.kill)
    await watching.event(type="sync", synced=False)
    await asyncio.to_thread(server.start)

    async with joined(Place(server, "demo").url("ann")):
        await watching.map_has(2, name="participants")
    await watching.map_has(1, name="participants")
    await watching.close()
