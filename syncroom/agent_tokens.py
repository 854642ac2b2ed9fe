"""
Tokens for agents that somebody brings into a room: for no more than they have, and no longer.

They are signed with the API key that signed the caller's own, and end with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncroom.auth.scopes import ApiScope
from syncroom.auth.token import LEEWAY_S, ParticipantToken

if TYPE_CHECKING:
    from syncroom.apis.base import Caller
    from syncroom.auth.keys import Keyring


def agent_token(
    keyring: Keyring, room: str, caller: Caller, name: str, wanted: ApiScope | None = None
) -> str:
    """A token for an agent of a name, with what is wanted for it or else the usual.

    Secrets belong to names: under a name that is not the caller's own, the agent may use none.
    """
    key_id = caller.participant.key_id
    scope = _within(wanted or ApiScope.agent_default(), caller.participant.scope)
    if name != caller.participant.name:
        scope = scope.model_copy(update={"secrets": None})
    token = ParticipantToken(name=name, api_key_id=key_id)
    token.add_room_grant(room)
    token.add_role_grant("agent")
    token.add_api_grant(scope)
    if caller.participant.expires_at is not None:
        token.extra_payload["exp"] = caller.participant.expires_at - LEEWAY_S
    return token.to_jwt(token=keyring.secret_for(key_id))


def environment(keyring: Keyring, room: str, caller: Caller, name: str) -> dict[str, str]:
    """What the SDKs look for in the environment of an agent, with which it joins by itself."""
    token = agent_token(keyring, room, caller, name)
    base, _, _ = caller.room_url.rpartition("/rooms/")
    return variables(f"http{base.removeprefix('ws')}", room, keyring.project_id, token)


def variables(url: str, room: str, project: str | None, token: str) -> dict[str, str]:
    """What they look for, for any token.

    Args:
        url: the server, ``http`` or ``https``.
        room: the room.
        project: what the token belongs to; None on a server without keys.
        token: the token.
    """
    return {
        "MESHAGENT_TOKEN": token,
        "MESHAGENT_ROOM": room,
        "MESHAGENT_ROOM_URL": f"ws{url.removeprefix('http')}",
        "MESHAGENT_API_URL": url,
        "MESHAGENT_PROJECT_ID": project or "default",
        "OPENAI_API_KEY": token,
        "OPENAI_BASE_URL": f"{url}/openai/v1",
        "ANTHROPIC_API_KEY": token,
        "ANTHROPIC_BASE_URL": f"{url}/anthropic",
    }


def _within(wanted: ApiScope, held: ApiScope | None) -> ApiScope:
    """What is wanted, where everything of that API is held; else, of that API, what is held."""
    granted: dict[str, Any] = {}
    for name in ApiScope.model_fields:
        theirs, ours = getattr(wanted, name), getattr(held, name)
        if theirs is not None and ours is not None:
            granted[name] = ours if ours.to_json() else theirs
    return ApiScope(**granted)
