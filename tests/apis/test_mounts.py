"""Volumes: there are none, and who may use containers hears so."""

from __future__ import annotations

from syncroom.apis.mounts import Mounts
from syncroom.auth.scopes import ApiScope, ContainersGrant
from tests.apis.fakes import FakeCaller, ask


def test_there_are_no_volumes() -> None:
    stranger = FakeCaller("bob", ApiScope(containers=ContainersGrant(use_containers=False)))

    assert ask(Mounts(), "list", FakeCaller("ann")).answer["json"] == {"volumes": []}
    assert ask(Mounts(), "list", stranger).answer["code"] == 1001
