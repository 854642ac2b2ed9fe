"""``syncroom token``: what it prints, what it refuses, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from syncroom.auth.keys import Keyring, encode_api_key, parse_api_key
from syncroom.auth.participant import admit, participant_of
from syncroom.auth.scopes import ApiScope
from syncroom.auth.token import ParticipantToken
from syncroom.cli import main
from syncroom.store.keys import KeyFile
from tests.auth.forge import SECRET, forge

if TYPE_CHECKING:
    from pathlib import Path

KEY = (
    "ma-.j.DnM2qR6WWEq4.mYmfuQ-_B55PLVWSWu_B4GCuETgWA-test-secret-secure-secret-sample2560binarykey"
)
LINES = [{"path": "docs/drafts/*", "read_only": True}, {"path": "docs/*"}]


@dataclass
class Outcome:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


class Clock:
    """Time that stands still."""

    @staticmethod
    def time() -> float:
        return 1_800_000_000.0


Run: TypeAlias = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``syncroom token`` in an empty folder, as a shell would."""
    monkeypatch.chdir(tmp_path)
    for name in [it for it in os.environ if it.startswith("SYNCROOM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "argv", ["syncroom", "token", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return Outcome(code or 0, printed.out, printed.err)

    return run


def create(run: Run, *arguments: str) -> str:
    outcome = run("create", "--room", "demo", "--name", "ann", *arguments)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.count("\n") == 1
    return outcome.out.strip()


def scope_of(jwt: str) -> ApiScope | None:
    return ParticipantToken.from_jwt_unchecked(jwt).get_api_grant()


def granting(sync: object = None, **claims: Any) -> str:
    scope = {"sync": {"paths": LINES if sync is None else sync}}
    grants = [{"name": "room", "scope": "demo"}, {"name": "api", "scope": scope}]
    return forge({"name": "ann", "grants": grants} | claims)


def refused(outcome: Outcome, reason: str) -> None:
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("syncroom: ")
    assert reason in outcome.err
    assert outcome.err.count("\n") == 1


def test_created_token_admits_to_the_room_of_a_server_on_the_same_folder(
    run: Run, tmp_path: Path
) -> None:
    jwt = create(run)

    keyring = KeyFile(tmp_path / "syncroom-data").keyring()
    expires_at = ParticipantToken.from_jwt_unchecked(jwt).expires_at
    assert expires_at is not None
    who = admit(jwt, "demo", keyring, expires_at - 1)
    assert (who.name, who.role, who.scope) == ("ann", "user", ApiScope.user_default())


def test_two_tokens_are_signed_with_the_one_secret_that_the_first_made(
    run: Run, tmp_path: Path
) -> None:
    first, second = create(run, "--data-dir", "data"), create(run, "--data-dir", "data")

    keyring = KeyFile(tmp_path / "data").keyring()
    assert admit(first, "demo", keyring, 0).id == admit(second, "demo", keyring, 0).id


def test_secret_of_the_environment_wins_over_the_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCROOM_SECRET", SECRET)

    jwt = create(run)

    assert admit(jwt, "demo", Keyring(SECRET), 0)
    assert list(tmp_path.iterdir()) == []


def test_folder_may_be_named_by_the_environment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCROOM_DATA_DIR", str(tmp_path / "elsewhere"))

    jwt = create(run)

    assert admit(jwt, "demo", KeyFile(tmp_path / "elsewhere").keyring(), 0)


def test_secret_of_the_servers_file_is_used(run: Run, tmp_path: Path) -> None:
    (tmp_path / "syncroom.toml").write_text(f'secret = "{SECRET}"\n')

    jwt = create(run, "--config", "syncroom.toml")

    assert admit(jwt, "demo", Keyring(SECRET), 0)


def test_api_key_signs_in_place_of_the_secret(run: Run, tmp_path: Path) -> None:
    jwt = create(run, "--key", KEY)

    key = parse_api_key(KEY)
    assert admit(jwt, "demo", Keyring("other", [key]), 0)
    assert ParticipantToken.from_jwt_unchecked(jwt).project_id == key.project_id
    assert list(tmp_path.iterdir()) == []


def test_api_key_of_the_environment_signs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCROOM_API_KEY", KEY)

    assert admit(create(run), "demo", Keyring("other", [parse_api_key(KEY)]), 0)


def test_short_secret_is_used_with_a_warning_beside_the_token(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCROOM_SECRET", "short")

    outcome = run("create", "--room", "demo", "--name", "ann")

    assert outcome.code == 0
    assert admit(outcome.out.strip(), "demo", Keyring("short"), 0)
    assert "shorter than 32 bytes" in outcome.err


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("user-default", ApiScope.user_default()),
        ("agent-default", ApiScope.agent_default()),
        ("full", ApiScope.full()),
    ],
)
def test_scope_is_a_preset(run: Run, preset: str, expected: ApiScope) -> None:
    assert scope_of(create(run, "--scope", preset)) == expected


@pytest.mark.parametrize("role", ["user", "agent", "tool"])
def test_role_is_granted(run: Run, role: str) -> None:
    jwt = create(run, "--role", role)

    assert ParticipantToken.from_jwt_unchecked(jwt).role == role


def test_sync_narrows_documents_in_order_and_keeps_the_rest(run: Run) -> None:
    jwt = create(run, "--sync", "/docs/drafts/*:ro", "--sync", "./docs/*", "--sync", "a:b")

    scope = scope_of(jwt)
    assert scope is not None
    assert scope.sync is not None
    assert scope.sync.to_json() == {"paths": [*LINES, {"path": "a:b"}]}
    assert scope.model_copy(update={"sync": None}) == ApiScope.user_default().model_copy(
        update={"sync": None}
    )


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("30s", 30), ("15m", 900), ("12h", 43_200), ("7d", 604_800)]
)
def test_token_holds_for_its_time(
    run: Run, monkeypatch: pytest.MonkeyPatch, ttl: str, seconds: int
) -> None:
    monkeypatch.setattr("syncroom.cli.token.time", Clock)

    jwt = create(run, "--ttl", ttl)

    assert ParticipantToken.from_jwt_unchecked(jwt).expires_at == Clock.time() + seconds


def test_token_holds_for_half_a_day_unless_said_otherwise_and_may_hold_for_ever(run: Run) -> None:
    assert ParticipantToken.from_jwt_unchecked(create(run)).expires_at is not None
    assert ParticipantToken.from_jwt_unchecked(create(run, "--ttl", "never")).expires_at is None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--ttl", "5"], "--ttl must be like"),
        (["--ttl", "0s"], "--ttl must be like"),
        (["--ttl", "-1h"], "--ttl must be like"),
        (["--ttl", "1h30m"], "--ttl must be like"),
        (["--ttl", "\u0661h"], "--ttl must be like"),
        (["--ttl", "999999999d"], "longer than calendars"),
        (["--ttl", "3000000d"], "longer than calendars"),
        (["--sync", "../x"], "holds '..'"),
        (["--sync", ""], "is empty"),
        (["--sync", ":ro"], "is empty"),
        (["--room", " "], "' ' can't be the name of a room"),
        (["--room", "Team Blue"], "'Team Blue' can't be the name of a room"),
        (["--name", ""], "--name must not be empty"),
        (["--key", "sk-123"], "an API key has the form"),
        (["--config", "missing.toml"], "is not there"),
    ],
)
def test_bad_input_is_refused_in_one_line(run: Run, arguments: list[str], reason: str) -> None:
    refused(run("create", "--room", "demo", "--name", "ann", *arguments), reason)


def test_spoilt_folder_is_refused_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    refused(run("create", "--room", "r", "--name", "n", "--data-dir", "data"), "Not a directory")


@pytest.mark.parametrize("option", ["--role", "--scope"])
def test_unknown_choice_is_refused(run: Run, option: str) -> None:
    outcome = run("create", "--room", "demo", "--name", "ann", option, "king")

    assert (outcome.code, outcome.out) == (2, "")
    assert "king" in outcome.err


def test_inspect_says_who_what_until_when_and_whether_it_holds(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncroom.cli.token.time", Clock)
    jwt = create(run, "--role", "agent", "--sync", "docs/*:ro")

    out = run("inspect", jwt).out

    assert "ann" in out
    assert "agent" in out
    assert "demo" in out
    assert "2027-01-15 20:00:00 UTC (in 12 h 0 min)" in out
    assert "holds with the default secret" in out
    assert "yes, but paths: docs/* (read only)" in out


def test_inspect_prints_json_for_programs(run: Run) -> None:
    jwt = create(run, "--ttl", "never", "--scope", "agent-default")

    report = json.loads(run("inspect", "--json", jwt).out)

    expected: dict[str, object] = {
        "id": participant_of(ParticipantToken.from_jwt_unchecked(jwt)).id,
        "name": "ann",
        "role": "user",
        "rooms": ["demo"],
        "project": None,
        "key": None,
        "version": None,
        "not_before": None,
        "expires_at": None,
        "expired": False,
        "signature": {"holds": True, "secret": "the default secret"},
        "api": ApiScope.agent_default().to_json(),
    }
    assert report == expected


@pytest.mark.parametrize("arguments", [["inspect", "--json"], ["inspect", "--json", "-"]])
def test_inspect_reads_stdin(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments, stdin=granting() + "\n")

    assert json.loads(outcome.out)["name"] == "ann"


def test_inspect_tells_an_expired_token(run: Run) -> None:
    jwt = granting(exp=1_000_000_000, nbf=0)

    assert json.loads(run("inspect", "--json", jwt).out)["expired"] is True
    out = run("inspect", jwt).out
    assert "2001-09-09 01:46:40 UTC" in out
    assert "ago" in out


def test_inspect_makes_no_secret_to_check_with(run: Run, tmp_path: Path) -> None:
    outcome = run("inspect", granting())
    report = json.loads(run("inspect", "--json", granting()).out)

    assert outcome.code == 0
    assert "not checked: there is no secret here" in outcome.out
    assert report["signature"] == {"holds": None, "secret": None}
    assert list(tmp_path.iterdir()) == []


def test_inspect_tells_a_signature_that_does_not_hold(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCROOM_SECRET", SECRET + "x")

    outcome = run("inspect", granting())

    assert outcome.code == 0
    assert "DOES NOT HOLD with the default secret" in outcome.out


def test_inspect_names_the_key_that_signed(run: Run, tmp_path: Path) -> None:
    key = encode_api_key(KeyFile(tmp_path / "syncroom-data").add("laptop"))
    jwt = create(run, "--key", key)

    assert "holds with the API key 'laptop'" in run("inspect", jwt).out
    assert "holds with the default secret" in run("inspect", create(run)).out


def test_inspect_checks_with_a_key_that_is_given(run: Run) -> None:
    jwt = create(run, "--key", KEY)

    assert "holds with the API key that was given" in run("inspect", jwt, "--key", KEY).out


def test_inspect_tells_a_token_that_grants_nothing(run: Run) -> None:
    out = run("inspect", forge({"name": "ann", "grants": []})).out

    assert "none: it lets nobody in anywhere" in out
    assert "there is no api grant" in out


def test_inspect_puts_limits_in_words(run: Run) -> None:
    scope = {
        "messaging": {"broadcast": False},
        "queues": {"send": ["a", "b"], "receive": []},
        "dataset": {"tables": [{"name": "t", "write": True}]},
        "containers": {"registry": {"pull": ["x*"]}},
        "storage": {"files": {"paths": [{"path": "f", "recursive": True, "actions": ["read"]}]}},
        "sqlite": {"databases": [{"name": "d", "drop": True, "inspect": False}]},
        "memory": {"memories": [{"name": "m", "permissions": {"drop": False}}]},
        "secrets": {"request_oauth_token": [{"endpoint": "https://a*", "client_id": "c"}]},
    }
    jwt = forge({"name": "ann", "grants": [{"name": "api", "scope": scope}]})

    out = run("inspect", jwt).out

    assert "yes, but not broadcast" in out
    assert "yes, but send: a, b; receive: none" in out
    assert "yes, but tables: t (write)" in out
    assert "registry (pull: x*)" in out
    assert "f (recursive; actions: read)" in out
    assert "databases: d (drop; not inspect)" in out
    assert "memories: m (permissions (not drop))" in out
    assert "request oauth token: https://a* (client id: c)" in out


def test_what_would_steer_a_terminal_is_shown_and_not_obeyed(run: Run) -> None:
    jwt = forge({"name": "\x1b[31mann[/] \u202e", "grants": []})

    inspected = run("inspect", jwt).out
    explained = run("explain", jwt, "sync", "a", "read").out

    for out in (inspected, explained):
        assert "\\x1b[31mann[/] \\u202e" in out
        assert "\x1b[31m" not in out


@pytest.mark.parametrize("command", [["inspect"], ["explain", "sync", "a", "read"]])
@pytest.mark.parametrize(
    ("jwt", "reason"),
    [
        ("hello", "is not a JWT"),
        ("", "is not a JWT"),
        (forge({"name": "ann"}), "grants: "),
        (granting(exp="soon"), "exp must be a number"),
    ],
)
def test_what_is_no_token_is_refused_in_one_line(
    run: Run, command: list[str], jwt: str, reason: str
) -> None:
    name, *rest = command

    refused(run(name, jwt, *rest), reason)


@pytest.mark.parametrize(
    ("path", "action", "code", "line", "why"),
    [
        (
            "docs/drafts/x",
            "read",
            0,
            'paths[0] {"path": "docs/drafts/*", "read_only": true}',
            "any",
        ),
        ("docs/drafts/x", "write", 1, "paths[0]", "decides: read-only"),
        ("/docs/x", "write", 0, 'paths[1] {"path": "docs/*"}', "decides: not read-only"),
        ("other", "read", 1, None, "no line names this path"),
        (".room/participants", "read", 1, None, "messaging grant"),
        (".room/x", "write", 1, None, "only the server writes"),
    ],
)
def test_explain_names_the_line_that_decides_on_a_document(
    run: Run, path: str, action: str, code: int, line: str | None, why: str
) -> None:
    outcome = run("explain", granting(), "sync", path, action)

    assert outcome.code == code
    assert outcome.out.startswith("no: ann may not" if code else "yes: ann may")
    assert f"{action} {path}\n" in outcome.out
    assert (line or "") in outcome.out
    assert ("line: " in outcome.out) is (line is not None)
    assert why in outcome.out


@pytest.mark.parametrize(
    ("storage", "path", "action", "code", "line"),
    [
        ({}, "f", "write", 0, None),
        ({"paths": LINES}, "docs/drafts/x", "write", 1, "paths[0]"),
        ({"paths": LINES}, "docs/x", "write", 0, "paths[1]"),
        ({"files": {"paths": [{"path": "f", "recursive": False, "actions": ["read"]}]}},
         "f", "read", 0, 'files.paths[0] {"path": "f"'),
        ({"files": {"paths": []}}, "f", "read", 1, None),
        (None, "f", "read", 1, None),
    ],
)  # fmt: skip
def test_explain_names_the_line_that_decides_on_a_file(
    run: Run, storage: object, path: str, action: str, code: int, line: str | None
) -> None:
    scope = {"storage": storage}
    jwt = forge({"name": "ann", "grants": [{"name": "api", "scope": scope}]})

    outcome = run("explain", jwt, "storage", path, action)

    assert outcome.code == code
    assert (line or "") in outcome.out
    assert ("line: " in outcome.out) is (line is not None)


@pytest.mark.parametrize("api", ["sync", "storage"])
def test_explain_says_no_for_a_token_without_grants(run: Run, api: str) -> None:
    outcome = run("explain", forge({"name": "ann", "grants": []}), api, "a", "read")

    assert outcome.code == 1
    assert "grant" in outcome.out


def test_explain_says_no_for_a_scope_without_the_grant(run: Run) -> None:
    jwt = forge({"name": "ann", "grants": [{"name": "api", "scope": {}}]})

    assert "no sync grant" in run("explain", jwt, "sync", "a", "read").out
    assert "no storage grant" in run("explain", jwt, "storage", "a", "read").out


def test_explain_notes_that_a_token_is_expired(run: Run) -> None:
    outcome = run("explain", granting(exp=5), "sync", "docs/a", "read")

    assert outcome.code == 0
    assert "note: the token is expired" in outcome.out


def test_explain_refuses_a_path_that_cannot_be(run: Run) -> None:
    refused(run("explain", granting(), "sync", "a/../b", "read"), "holds '..'")


@pytest.mark.parametrize("arguments", [["sync", "a", "fly"], ["queues", "a", "read"], ["sync"]])
def test_explain_refuses_what_it_does_not_know(run: Run, arguments: list[str]) -> None:
    outcome = run("explain", granting(), *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert "Traceback" not in outcome.err
