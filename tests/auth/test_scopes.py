"""ApiScope: presets, spellings, defaults, and the helpers of the grants that name no paths."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from syncroom.auth.scopes import (
    AgentsGrant,
    ApiScope,
    ContainerRegistryGrant,
    ContainersGrant,
    DatasetGrant,
    LivekitGrant,
    LLMGrant,
    MessagingGrant,
    OAuthEndpoint,
    QueuesGrant,
    SecretsGrant,
    SyncGrant,
    SyncPathGrant,
    TunnelsGrant,
)

USER = set(
    "livekit queues messaging dataset sqlite memory sync storage containers developer agents"
    " services secrets".split()
)
AGENT = USER | {"llm"}
ALL = set(ApiScope.model_fields)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (ApiScope(), set()),
        (ApiScope.user_default(), USER),
        (ApiScope.agent_default(), AGENT),
        (ApiScope.agent_default(tunnels=True), AGENT | {"tunnels"}),
        (ApiScope.full(), ALL),
    ],
)
def test_presets_grant_their_apis_without_limits(scope: ApiScope, expected: set[str]) -> None:
    assert scope.to_json() == {api: {} for api in expected}
    assert ApiScope.model_validate(scope.to_json()) == scope


def test_full_is_everything_there_is() -> None:
    assert ALL == AGENT | {"admin", "tunnels"}


@pytest.mark.parametrize("api", sorted(ALL))
@pytest.mark.parametrize("absent", [None, False, 0, ""])
def test_absent_and_falsy_fields_deny_and_an_empty_object_grants(api: str, absent: Any) -> None:
    assert getattr(ApiScope.model_validate({}), api) is None
    assert getattr(ApiScope.model_validate({api: absent}), api) is None
    assert getattr(ApiScope.model_validate({api: {}}), api) is not None


@pytest.mark.parametrize("value", [True, 1, "yes", [], [{}]])
def test_field_that_is_no_object_spoils_the_scope(value: Any) -> None:
    with pytest.raises(ValidationError):
        ApiScope.model_validate({"sync": value})


@pytest.mark.parametrize("value", [None, "full", 1, []])
def test_scope_that_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        ApiScope.model_validate(value)


@pytest.mark.parametrize("spelling", ["dataset", "database", "datasets"])
def test_dataset_is_read_under_all_its_names_and_written_under_one(spelling: str) -> None:
    scope = ApiScope.model_validate({spelling: {"list_tables": False}})

    assert scope.dataset == DatasetGrant(list_tables=False)
    assert scope.to_json() == {"dataset": {"list_tables": False}}


def test_its_own_name_wins_over_older_names_of_dataset() -> None:
    assert ApiScope.model_validate({"database": {}, "dataset": None}).dataset is None
    assert ApiScope.model_validate({"datasets": {}, "database": False}).dataset is None


def test_unknown_apis_and_fields_are_ignored() -> None:
    scope = ApiScope.model_validate({"teleport": {}, "secrets": {"vault": 1}, "sync": {"x": 1}})

    assert scope == ApiScope(secrets=SecretsGrant(), sync=SyncGrant())


def test_scope_is_written_without_defaults_and_read_back() -> None:
    lines = [SyncPathGrant(path="a", read_only=True), SyncPathGrant(path="b")]
    scope = ApiScope(sync=SyncGrant(paths=lines), messaging=MessagingGrant(broadcast=False))

    written = scope.to_json()

    assert written == {
        "messaging": {"broadcast": False},
        "sync": {"paths": [{"path": "a", "read_only": True}, {"path": "b"}]},
    }
    assert ApiScope.model_validate(written) == scope


def test_breakout_rooms() -> None:
    assert LivekitGrant().can_join_breakout_room("any")
    assert LivekitGrant(breakout_rooms=["a"]).can_join_breakout_room("a")
    assert not LivekitGrant(breakout_rooms=["a"]).can_join_breakout_room("b")
    assert not LivekitGrant(breakout_rooms=[]).can_join_breakout_room("a")


def test_queues_are_named_letter_for_letter_and_each_way_by_itself() -> None:
    grant = QueuesGrant(send=["in*"], receive=["out"])

    assert grant.can_send("in*")
    assert not grant.can_send("inbox")
    assert not grant.can_send("out")
    assert grant.can_receive("out")
    assert not grant.can_receive("in*")
    assert QueuesGrant().can_send("any")
    assert QueuesGrant().can_receive("any")


def test_images_are_named_or_begun() -> None:
    grant = ContainersGrant(pull=["ghcr.io/us/*", "python:3.13"], run=[])

    assert grant.can_pull("ghcr.io/us/app:1")
    assert grant.can_pull("python:3.13")
    assert not grant.can_pull("python:3.13-slim")
    assert not grant.can_run("python:3.13")
    assert ContainersGrant().can_run("any")


def test_registry_without_a_grant_of_its_own_is_open() -> None:
    grant = ContainersGrant()

    assert grant.can_registry_list("a")
    assert grant.can_registry_pull("a")
    assert grant.can_registry_run("a")
    assert grant.can_registry_write("a")


def test_registry_lists_what_may_be_used_unless_a_list_says_otherwise() -> None:
    used = ContainersGrant(registry=ContainerRegistryGrant(pull=["a"], write=["b/*"]))
    listed = ContainersGrant(registry=ContainerRegistryGrant(list=["c"], pull=["a"]))

    assert used.can_registry_list("a")
    assert used.can_registry_list("b/x")
    assert not used.can_registry_list("c")
    assert used.can_registry_pull("a")
    assert not used.can_registry_pull("b/x")
    assert used.can_registry_run("any")
    assert used.can_registry_write("b/x")
    assert not used.can_registry_write("a")
    assert listed.can_registry_list("c")
    assert not listed.can_registry_list("a")
    assert ContainerRegistryGrant().can_list("any")


def test_toolkits() -> None:
    assert AgentsGrant().can_use_toolkit("any")
    assert AgentsGrant(allowed_toolkits=["a"]).can_use_toolkit("a")
    assert not AgentsGrant(allowed_toolkits=["a"]).can_use_toolkit("b")


@pytest.mark.parametrize(
    ("models", "provider", "model", "expected"),
    [
        (None, "any", "model", True),
        (["openai/gpt"], "openai", "gpt", True),
        (["openai/gpt"], " openai ", " gpt ", True),
        (["openai/gpt"], "openai", "gpt-mini", False),
        (["openai/*"], "openai", "gpt-mini", True),
        (["openai/*"], "open", "gpt", False),
        ([], "openai", "gpt", False),
        (None, "", "gpt", False),
        (None, "openai", " ", False),
    ],
)
def test_models(models: list[str] | None, provider: str, model: str, expected: bool) -> None:
    assert LLMGrant(models=models).can_use_model(provider=provider, model=model) is expected


@pytest.mark.parametrize(
    ("models", "provider", "expected"),
    [
        (None, "any", True),
        (None, " ", False),
        (["openai/gpt"], "openai", True),
        ([" openai/*"], " openai ", True),
        (["openai/gpt"], "open", False),
        ([], "openai", False),
    ],
)
def test_providers(models: list[str] | None, provider: str, expected: bool) -> None:
    assert LLMGrant(models=models).can_use_provider(provider) is expected


def test_oauth_tokens_are_requested_for_an_endpoint_and_a_client_together() -> None:
    grant = SecretsGrant(
        request_oauth_token=[
            OAuthEndpoint(endpoint="https://a.example/auth", client_id="one"),
            OAuthEndpoint(endpoint="https://b.example/*", client_id="two"),
        ]
    )

    def can(endpoint: str, client_id: str) -> bool:
        return grant.can_request_oauth_token(endpoint=endpoint, client_id=client_id)

    assert can("https://a.example/auth", "one")
    assert can("https://b.example/any", "two")
    assert not can("https://a.example/auth", "two")
    assert not can("https://a.example/auth2", "one")
    assert SecretsGrant().can_request_oauth_token(endpoint="any", client_id="any")
    assert not SecretsGrant(request_oauth_token=[]).can_request_oauth_token(
        endpoint="any", client_id="any"
    )


def test_ports_are_open_where_none_is_listed() -> None:
    assert TunnelsGrant().can_forward(8080)
    assert TunnelsGrant(ports=[]).can_forward(8080)
    assert TunnelsGrant(ports=["8080"]).can_forward(8080)
    assert not TunnelsGrant(ports=["8080"]).can_forward(80)
