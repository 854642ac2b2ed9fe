"""The table of what works with which SDK says what the tests of the SDKs run, and nothing else."""

from __future__ import annotations

import inspect
import json
import re
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import page, row, rows
from tests.meshagent import (
    test_cli,
    test_connect,
    test_containers,
    test_content,
    test_denied,
    test_messaging,
    test_reconnect,
    test_sync,
    test_toolkits,
)
from tests.meshagent.sdk import HERE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

PAGE = page("docs/meshagent.md")
MODULES = [import_module(f"tests.meshagent.{file.stem}") for file in sorted(HERE.glob("test_*.py"))]
CLIENTS = {
    "python": {"python", "sdk", "pair"},
    "javascript": {"javascript", "sdk", "pair"},
    "cli": {"cli", "CommandLine"},
}
"""The columns, and the fixtures or the class with which a test runs what they name."""


def all_of(*modules: ModuleType, but: tuple[Callable[..., object], ...] = ()) -> set[str]:
    found = {
        f"{module.__name__}.{name}"
        for module in modules
        for name in vars(module)
        if name.startswith("test_")
    }
    return found - named(*but)


def named(*tests: Callable[..., object]) -> set[str]:
    return {f"{test.__module__}.{test.__name__}" for test in tests}


STREAMED_MESSAGES = (
    test_messaging.test_a_stream_of_messages_goes_both_ways,
    test_messaging.test_a_stream_that_is_not_wanted_is_refused,
)
WITHOUT_OPENING = (
    test_sync.test_a_document_is_described_as_json,
    test_sync.test_a_document_is_made_once,
)
CALLED_STREAMS = (
    test_toolkits.test_input_and_output_may_both_be_streams,
    test_toolkits.test_a_stream_ends_when_its_host_leaves,
)
HOSTED_STREAMS = (
    test_toolkits.test_input_may_be_a_stream,
    test_toolkits.test_output_may_be_a_stream,
)
BUILT = (test_containers.test_the_sdks_build_an_image_that_runs_and_list_its_ports_each_in_its_way,)
WRITTEN_WHILE_AWAY = (test_reconnect.test_what_was_written_while_the_server_was_away_is_not_lost,)

CLAIMS: dict[str, set[str]] = {
    "Join": all_of(test_connect, test_cli),
    "Messages": all_of(test_messaging, but=STREAMED_MESSAGES)
    | named(test_cli.test_messages_of_the_command_line_reach_those_who_are_here),
    "Streams of messages": named(*STREAMED_MESSAGES),
    "Documents": all_of(test_sync, test_content, but=WITHOUT_OPENING)
    | named(
        test_cli.test_a_document_is_read_searched_and_changed_on_the_command_line,
        test_cli.test_conversations_are_imported_on_the_command_line,
    ),
    "Describe": named(*WITHOUT_OPENING),
    "Host toolkits": all_of(test_toolkits, but=CALLED_STREAMS + HOSTED_STREAMS)
    | named(
        test_cli.test_a_toolkit_is_listed_and_called_on_the_command_line,
        test_cli.test_an_agent_elsewhere_is_called_on_the_command_line,
    ),
    "Call tools": named(*CALLED_STREAMS),
    "Host tools": named(*HOSTED_STREAMS),
    "Containers": all_of(test_containers, but=BUILT),
    "Images": named(*BUILT),
    "Denials": all_of(test_denied),
    "Come back": all_of(test_reconnect, but=WRITTEN_WHILE_AWAY),
    "Keep": named(*WRITTEN_WHILE_AWAY),
}
"""What each row begins with, and the tests that prove it."""

for module in MODULES:
    if not all_of(module) & set().union(*CLAIMS.values()):
        CLAIMS[module.__name__.rpartition(".test_")[2].capitalize()] = all_of(module)


def used_by(test: str) -> set[str]:
    module, _, name = test.rpartition(".")
    (found,) = [vars(each)[name] for each in MODULES if each.__name__ == module]
    return {*inspect.signature(found).parameters, *found.__code__.co_names}


def cells(claim: str) -> list[str]:
    found = [each for each in rows(PAGE) if each[0].startswith(claim)]
    assert len(found) == 1, f"docs/meshagent.md needs a row that begins with {claim!r}"
    return found[0][1:]


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_row_says_yes_where_a_test_runs_it(claim: str) -> None:
    used = set().union(*(used_by(test) for test in CLAIMS[claim]))

    assert cells(claim) == ["yes" if used & by else "" for by in CLIENTS.values()]


def test_every_test_of_an_sdk_is_behind_a_row() -> None:
    assert set().union(*CLAIMS.values()) == all_of(*MODULES)


def test_the_columns_name_the_versions_that_are_run() -> None:
    requirements = (HERE / "requirements.txt").read_text()
    packages = json.loads((HERE / "package.json").read_text())["dependencies"]
    versions = dict(re.findall(r"^(meshagent-\w+)==(.+)$", requirements, re.MULTILINE))

    assert row(PAGE, "")[1:] == [
        f"Python {versions['meshagent-api']}",
        f"JavaScript {packages['@meshagent/meshagent']}",
        f"`meshagent` {versions['meshagent-cli']}",
    ]
