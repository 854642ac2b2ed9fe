"""What the README and the docs say is so: programs run, tables are whole, links lead somewhere."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from syncroom import errors
from syncroom.admission import Admission
from syncroom.auth.keys import Keyring
from syncroom.auth.scopes import ApiScope
from syncroom.cli import app
from syncroom.contents import Contents
from syncroom.limits import Limits
from syncroom.rooms import Rooms
from syncroom.server.address import TrustedProxies
from syncroom.server.app import create_app
from syncroom.server.gate import Gate
from syncroom.server.http.api import _STATUS
from syncroom.sessions.connection import CLOSE_INTERNAL, CLOSE_RESTART, close_code
from syncroom.settings import Settings, load_settings
from syncroom.store.memory import MemoryStore
from syncroom.store.quarantine import Quarantine
from tests.docs.pages import (
    PAGES,
    ROOT,
    anchors,
    block,
    codes,
    links,
    name_of,
    page,
    row,
    rows,
    steps,
)
from tests.docs.reader import SERVES, Reader, uses_meshagent
from tests.meshagent.sdk import need_javascript, need_python
from tests.support.driver import need
from tests.support.node import need_node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncroom.errors import SyncroomError
    from tests.docs.pages import Step
    from tests.support.server import Server

RUN = ("sh", "python", "js")
PROGRAMS = ("curl", "make", "sqlite3")
ERRORS = [each for each in vars(errors).values() if isinstance(each, type)]
OPERATIONS = page("docs/operations.md")
TOKENS = page("docs/tokens-and-scopes.md")
CLIENTS = page("docs/clients.md")
HTTP = page("docs/http.md")
DOCUMENTS = page("docs/documents.md")
ROOMS = page("docs/rooms-and-keys.md")
ROOM = page("docs/command-line.md")


def runnable() -> dict[str, list[Step]]:
    found = {name_of(each): steps(each.read_text(), RUN) for each in PAGES}
    return {name: each for name, each in found.items() if each}


def commands(command: object, name: str = "syncroom") -> Iterator[tuple[str, TyperCommand]]:
    """Every command of the command line that does something, by its whole name in help."""
    if isinstance(command, TyperCommand):
        yield name, command
    elif isinstance(command, TyperGroup):
        for child in command.list_commands(CONTEXT):
            found = command.get_command(CONTEXT, child)
            if found is not None and not found.hidden:
                yield from commands(found, f"{name} {child}")


SYNCROOM = typer.main.get_command(app)
CONTEXT = SYNCROOM.make_context("syncroom", ["version"])
COMMANDS = dict(commands(SYNCROOM))


# -- what is run


@pytest.mark.parametrize("name", runnable())
def test_every_command_and_program_of_a_page_works_for_who_reads_it(
    name: str, tmp_path: Path
) -> None:
    plan = runnable()[name]
    if any(step.block.language == "js" for step in plan):
        need_node()
    if any(uses_meshagent(step) for step in plan):
        need_python()
        need_javascript()
    for program in PROGRAMS:
        if shutil.which(program) is None and any(program in each.block.code for each in plan):
            need(f"{program} is not installed")
    reader = Reader(tmp_path)

    try:
        for step in plan:
            try:
                reader.run(step)
            except AssertionError as error:
                raise AssertionError(f"{name}, line {step.block.line}: {error}") from None
    finally:
        reader.close()


def test_the_settings_file_of_the_docs_can_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [it for it in os.environ if it.startswith("SYNCROOM_")]:
        monkeypatch.delenv(variable)
    file = tmp_path / "syncroom.toml"
    file.write_text(block(OPERATIONS, "toml"))

    settings = load_settings(file)

    assert settings.limits.refusal_s == 2.0


def test_the_command_of_the_systemd_unit_is_one(tmp_path: Path) -> None:
    (line,) = [it for it in block(OPERATIONS, "ini").splitlines() if it.startswith("ExecStart=")]
    program, command, *arguments = shlex.split(line.removeprefix("ExecStart="))

    context = COMMANDS[f"syncroom {command}"].make_context(command, arguments)

    assert program.endswith("/.venv/bin/syncroom")
    assert context.params["data_dir"] is not None


# -- what is listed


def test_every_setting_has_its_row() -> None:
    for name, field in Settings.model_fields.items():
        _, option, variable, default, _ = row(OPERATIONS, name)

        assert variable.strip("`.").rstrip("_") == f"SYNCROOM_{name.upper()}"
        if name not in ("secret", "backends", "limits"):
            assert option == f"`--{name.replace('_', '-')}`"
            assert default == ("" if field.default is None else f"`{field.default}`")


def test_every_limit_has_its_row_with_its_default() -> None:
    for name, field in Limits.model_fields.items():
        assert row(OPERATIONS, name)[1] == str(field.default)


def test_no_limit_is_listed_that_is_not_there() -> None:
    first = OPERATIONS.index("## Limits")
    section = OPERATIONS[first : OPERATIONS.index("## ", first + 3)]

    listed = {cells[0].strip("`") for cells in rows(section)[2:]}

    assert listed == set(Limits.model_fields)


def test_every_command_is_documented() -> None:
    everything = "\n".join(each.read_text() for each in PAGES)

    assert [name for name in COMMANDS if name not in everything] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented_on_the_page_of_its_command(name: str) -> None:
    pages = {"token": TOKENS, "doc": DOCUMENTS, "rooms": ROOMS, "keys": ROOMS, "room": ROOM}
    documented = codes(pages.get(name.split()[1], OPERATIONS))

    options = [option for param in COMMANDS[name].params for option in param.opts]

    missing = [each for each in options if each.startswith("--") and each not in documented]
    assert missing == []


def test_every_default_of_token_create_is_right() -> None:
    for param in COMMANDS["syncroom token create"].params:
        _, default, _ = row(TOKENS, param.opts[0])
        if param.required:
            assert default == "needed"
        elif isinstance(param.default, str):
            assert default == f"`{param.default}`"


async def test_every_http_path_has_its_row() -> None:
    store = MemoryStore()
    rooms = Rooms(store, Limits())
    gate = Gate(rooms, Admission(Keyring("x" * 32), Limits()), TrustedProxies("127.0.0.1"))
    application = create_app(gate, Contents(rooms, store, Quarantine(None)))
    for route in application.routes:
        path = getattr(route, "path", "")

        assert row(HTTP, path if path != "/assets" else "/assets/")


@pytest.mark.parametrize("error", ERRORS, ids=lambda each: each.__name__)
def test_every_error_has_its_close_code(error: type[SyncroomError]) -> None:
    if error in (errors.Misconfigured, errors.Conflict):
        return  # raised before there is anybody to close, and over HTTP only
    cells = row(CLIENTS, str(close_code(error(""))))

    assert f"`{error.code}`" in cells[1]


def test_the_codes_without_an_error_are_listed() -> None:
    assert row(CLIENTS, str(CLOSE_RESTART))[1] == ""
    assert row(CLIENTS, str(CLOSE_INTERNAL))[1] == "`internal`"


def test_every_http_status_has_its_row() -> None:
    for error, status in _STATUS.items():
        assert row(HTTP, str(status))[1] == f"`{error.code}`"


def test_every_grant_has_its_row_with_all_its_fields() -> None:
    for name, field in ApiScope.model_fields.items():
        documented = codes(" ".join(row(TOKENS, name)))
        grant = next(each for each in getattr(field.annotation, "__args__", ()) if each)

        assert set(grant.model_fields) <= documented


def test_the_presets_grant_what_their_rows_say() -> None:
    user = codes(row(TOKENS, "user-default")[1])
    agent = codes(row(TOKENS, "agent-default")[1]) | user
    full = codes(row(TOKENS, "full")[1]) | user

    assert user == set(ApiScope.user_default().to_json())
    assert agent == set(ApiScope.agent_default().to_json())
    assert full == set(ApiScope.full().to_json())


def test_every_file_of_a_data_folder_has_its_row(server: Server) -> None:
    documented = {name for cells in rows(OPERATIONS) for name in codes(cells[0])}

    assert set(server.stored_files()) - documented == set()


# -- what is linked


@pytest.mark.parametrize("file", PAGES, ids=name_of)
def test_links_lead_somewhere(file: Path) -> None:
    for link in links(file.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file

        assert target.is_relative_to(ROOT) and target.is_file(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_every_page_is_listed_in_the_index_and_in_the_readme() -> None:
    for listing in ("docs/index.md", "README.md"):
        folder = (ROOT / listing).parent
        listed = {(folder / link.partition("#")[0]).resolve() for link in links(page(listing))}

        missing = [name_of(each) for each in PAGES if each.parent.name == "docs"]
        missing = [name for name in missing if ROOT / name not in listed | {ROOT / "docs/index.md"}]
        assert missing == []


def test_every_make_target_that_is_named_is_there() -> None:
    for each in PAGES:
        for line in (
            line
            for step in steps(each.read_text(), ("sh",))
            for line in step.block.code.splitlines()
        ):
            if line.startswith("make ") and not SERVES.match(line):
                subprocess.run(
                    [*shlex.split(line), "--dry-run"], cwd=ROOT, check=True, capture_output=True
                )
