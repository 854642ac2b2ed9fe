"""Grants on tables, databases and memories: the entries that name a thing decide together."""

from __future__ import annotations

from typing import Any

import pytest

from syncroom.auth.data_grants import DatasetGrant, MemoryGrant, MemoryPermissions, SqliteGrant

TABLES = [
    {"name": "people"},
    {"name": "orders", "write": True, "alter": True},
    {"name": "logs", "namespace": ["ops"], "read": False, "write": True},
    {"name": "logs", "namespace": []},
    {"name": "blind", "read": False},
]


@pytest.mark.parametrize(
    ("tables", "table", "namespace", "expected"),
    [
        (None, "any", None, "rwax"),
        (None, "any", ["deep", "er"], "rwax"),
        ([], "any", None, ""),
        (TABLES, "people", None, "rx"),
        (TABLES, "people", ["any"], "rx"),
        (TABLES, "orders", None, "rwax"),
        (TABLES, "logs", ["ops"], "wx"),
        (TABLES, "logs", None, "rx"),
        (TABLES, "logs", [], "rx"),
        (TABLES, "logs", ["ops", "eu"], ""),
        (TABLES, "blind", None, ""),
        (TABLES, "unknown", None, ""),
        ([{"name": "t"}, {"name": "t", "read": False, "write": True}], "t", None, "rwx"),
    ],
)
def test_tables_of_a_dataset(
    tables: list[dict[str, Any]] | None, table: str, namespace: list[str] | None, expected: str
) -> None:
    grant = DatasetGrant.model_validate({"tables": tables})

    assert expected == (
        "r" * grant.can_read(table, namespace=namespace)
        + "w" * grant.can_write(table, namespace=namespace)
        + "a" * grant.can_alter(table, namespace=namespace)
        + "x" * grant.can_access(table, namespace=namespace)
    )


DATABASES = [
    {"name": "open"},
    {"name": "closed", "inspect": False, "create_table": False, "execute": False, "drop": True},
    {"name": "spaced", "namespace": ["ops"], "list_tables": False},
    {
        "name": "listed",
        "tables": [
            {"database": "listed", "table": "people"},
            {"database": "listed", "table": "orders", "write": True, "namespace": ["eu"]},
            {"database": "listed", "table": "schema", "read": False, "alter": True},
            {"database": "other", "table": "strays"},
        ],
    },
]


@pytest.mark.parametrize(
    ("databases", "database", "namespace", "expected"),
    [
        (None, "any", None, {"drop", "inspect", "list", "create", "execute"}),
        ([], "any", None, set()),
        (DATABASES, "open", None, {"inspect", "list", "create", "execute"}),
        (DATABASES, "open", ["ops"], {"inspect", "list", "create", "execute"}),
        (DATABASES, "closed", None, {"drop", "list"}),
        (DATABASES, "spaced", ["ops"], {"inspect", "create", "execute"}),
        (DATABASES, "spaced", None, set()),
        (DATABASES, "unknown", None, set()),
        ([{"name": "d"}, {"name": "d", "drop": True}], "d", None,
         {"drop", "inspect", "list", "create", "execute"}),
    ],
)  # fmt: skip
def test_databases(
    databases: list[dict[str, Any]] | None,
    database: str,
    namespace: list[str] | None,
    expected: set[str],
) -> None:
    grant = SqliteGrant.model_validate({"databases": databases})
    helpers = {
        "drop": grant.can_drop_database,
        "inspect": grant.can_inspect_database,
        "list": grant.can_list_tables,
        "create": grant.can_create_table,
        "execute": grant.can_execute,
    }

    allowed = {n for n, can in helpers.items() if can(database=database, namespace=namespace)}

    assert allowed == expected


@pytest.mark.parametrize(
    ("databases", "database", "table", "namespace", "expected"),
    [
        (None, "any", "any", None, "rwax"),
        ([], "any", "any", None, ""),
        (DATABASES, "open", "any", None, "rwax"),
        (DATABASES, "listed", "people", None, "rx"),
        (DATABASES, "listed", "orders", ["eu"], "rwx"),
        (DATABASES, "listed", "orders", None, ""),
        (DATABASES, "listed", "schema", None, "ax"),
        (DATABASES, "listed", "unlisted", None, ""),
        (DATABASES, "listed", "strays", None, ""),
        (DATABASES, "other", "strays", None, ""),
        (DATABASES, "spaced", "any", None, ""),
        (DATABASES, "spaced", "any", ["ops"], "rwax"),
        # A line for the table narrows it even where another entry leaves the tables open.
        ([{"name": "d"}, {"name": "d", "tables": [{"database": "d", "table": "t"}]}],
         "d", "t", None, "rx"),
        ([{"name": "d"}, {"name": "d", "tables": [{"database": "d", "table": "t"}]}],
         "d", "u", None, "rwax"),
    ],
)  # fmt: skip
def test_tables_of_a_database(
    databases: list[dict[str, Any]] | None,
    database: str,
    table: str,
    namespace: list[str] | None,
    expected: str,
) -> None:
    grant = SqliteGrant.model_validate({"databases": databases})
    asked: dict[str, Any] = {"database": database, "table": table, "namespace": namespace}

    assert expected == (
        "r" * grant.can_read(**asked)
        + "w" * grant.can_write(**asked)
        + "a" * grant.can_alter(**asked)
        + "x" * grant.can_access(**asked)
    )


def test_databases_may_be_created_and_listed_unless_said_otherwise() -> None:
    assert SqliteGrant().can_create_database()
    assert SqliteGrant().can_list_databases()
    assert not SqliteGrant(create_database=False).can_create_database()
    assert not SqliteGrant(list_databases=False).can_list_databases()


MEMORY_ACTIONS = set(MemoryPermissions.model_fields)


def memory_actions(grant: MemoryGrant, name: str, namespace: list[str] | None = None) -> set[str]:
    return {
        action
        for action in MEMORY_ACTIONS
        if getattr(grant, f"can_{action}")(name=name, namespace=namespace)
    }


def test_memory_grant_without_a_list_allows_everything_on_every_memory() -> None:
    assert memory_actions(MemoryGrant(), "any", ["deep"]) == MEMORY_ACTIONS
    assert MemoryGrant().can_access_existing(name="any")


def test_listed_memories_allow_what_their_permissions_say() -> None:
    grant = MemoryGrant.model_validate(
        {
            "memories": [
                {"name": "facts"},
                {"name": "plans", "namespace": ["team"], "permissions": {"drop": False}},
                {"name": "new", "permissions": dict.fromkeys(MEMORY_ACTIONS - {"create"}, False)},
            ]
        }
    )

    assert memory_actions(grant, "facts", ["any"]) == MEMORY_ACTIONS
    assert memory_actions(grant, "plans", ["team"]) == MEMORY_ACTIONS - {"drop"}
    assert memory_actions(grant, "plans") == set()
    assert memory_actions(grant, "new") == {"create"}
    assert grant.can_access_existing(name="facts")
    assert not grant.can_access_existing(name="new")
    assert not grant.can_access_existing(name="unknown")


@pytest.mark.parametrize("action", sorted(MEMORY_ACTIONS))
def test_each_memory_permission_is_asked_for_by_its_own_helper(action: str) -> None:
    others = dict.fromkeys(MEMORY_ACTIONS - {action}, False)
    grant = MemoryGrant.model_validate({"memories": [{"name": "m", "permissions": others}]})

    assert memory_actions(grant, "m") == {action}
    assert grant.can_access_existing(name="m") is (action != "create")
