"""Whose a client id is: the first participant's to present it, for as long as it is here."""

from __future__ import annotations

from syncroom.document.owners import Owners
from tests.document.fakes import FakePeer


def test_a_client_id_belongs_to_who_claims_it_first() -> None:
    owners, ann, ben = Owners(), FakePeer("ann"), FakePeer("ben")

    assert owners.claim(ann, 300)

    assert not owners.claim(ben, 300)
    assert (ann.client_id, ann.client_bytes) == (300, b"\xac\x02")
    assert (ben.client_id, ben.client_bytes) == (None, b"")
    assert owners.is_foreign(ben, 300)
    assert not owners.is_foreign(ann, 300)


def test_a_client_id_that_nobody_claimed_is_nobodys() -> None:
    owners = Owners()

    assert not owners.is_foreign(FakePeer("ann"), 7)
    assert owners.release(FakePeer("ann")) is None


def test_a_participant_takes_a_client_id_over_from_its_own_earlier_connection() -> None:
    owners, earlier, later = Owners(), FakePeer("ann"), FakePeer("ann")
    owners.claim(earlier, 7)

    assert owners.claim(later, 7)

    assert (earlier.client_id, earlier.client_bytes) == (None, b"")
    assert later.client_id == 7
    assert owners.release(earlier) is None
    assert owners.is_foreign(FakePeer("ben"), 7)


def test_a_client_id_is_free_when_its_peer_has_left() -> None:
    owners, ann, ben = Owners(), FakePeer("ann"), FakePeer("ben")
    owners.claim(ann, 7)

    assert owners.release(ann) == 7

    assert (ann.client_id, ann.client_bytes) == (None, b"")
    assert owners.claim(ben, 7)
    assert owners.is_foreign(ann, 7)
