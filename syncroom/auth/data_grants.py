"""
Grants on data sets, SQLite databases and memories: things with a name in a namespace.

An entry names one thing. With a namespace it means the thing there, without one the thing in any.
A permission is granted when any entry that names the thing carries it; no entry, no permission.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from pydantic import Field

from syncroom.auth.grant import Grant, Names

Namespace: TypeAlias = Sequence[str] | None


def _is_in(entry: Names | None, namespace: Namespace) -> bool:
    """Whether an entry's namespace admits the one that is asked for; no namespace is the root."""
    return entry is None or entry == list(namespace or ())


class TableGrant(Grant):
    """A line of a dataset grant."""

    name: str
    namespace: Names | None = None
    read: bool = True
    write: bool = False
    alter: bool = False


class DatasetGrant(Grant):
    """Which tables may be read, written and altered."""

    tables: list[TableGrant] | None = None
    list_tables: bool = True

    def can_read(self, table: str, *, namespace: Namespace = None) -> bool:
        return any(it.read for it in self._entries(table, namespace))

    def can_write(self, table: str, *, namespace: Namespace = None) -> bool:
        return any(it.write for it in self._entries(table, namespace))

    def can_alter(self, table: str, *, namespace: Namespace = None) -> bool:
        return any(it.alter for it in self._entries(table, namespace))

    def can_access(self, table: str, *, namespace: Namespace = None) -> bool:
        """Whether anything at all may be done with a table."""
        return any(it.read or it.write or it.alter for it in self._entries(table, namespace))

    def _entries(self, table: str, namespace: Namespace) -> Iterator[TableGrant]:
        """Yield what applies to a table; where tables are not listed, every permission does."""
        if self.tables is None:
            yield TableGrant(name=table, read=True, write=True, alter=True)
        for entry in self.tables or ():
            if entry.name == table and _is_in(entry.namespace, namespace):
                yield entry


class SqliteTableGrant(Grant):
    """A line of a database's list of tables."""

    database: str
    table: str
    namespace: Names | None = None
    read: bool = True
    write: bool = False
    alter: bool = False


class SqliteDatabaseGrant(Grant):
    """A line of a sqlite grant: one database, and which of its tables."""

    name: str
    namespace: Names | None = None
    create_table: bool = True
    drop: bool = False
    inspect: bool = True
    list_tables: bool = True
    execute: bool = True
    tables: list[SqliteTableGrant] | None = None


class SqliteGrant(Grant):
    """Which databases may be made, looked into, changed and dropped."""

    databases: list[SqliteDatabaseGrant] | None = None
    create_database: bool = True
    list_databases: bool = True

    def can_create_database(self) -> bool:
        return self.create_database

    def can_list_databases(self) -> bool:
        return self.list_databases

    def can_drop_database(self, *, database: str, namespace: Namespace = None) -> bool:
        return any(it.drop for it in self._databases(database, namespace))

    def can_inspect_database(self, *, database: str, namespace: Namespace = None) -> bool:
        return any(it.inspect for it in self._databases(database, namespace))

    def can_list_tables(self, *, database: str, namespace: Namespace = None) -> bool:
        return any(it.list_tables for it in self._databases(database, namespace))

    def can_create_table(self, *, database: str, namespace: Namespace = None) -> bool:
        return any(it.create_table for it in self._databases(database, namespace))

    def can_execute(self, *, database: str, namespace: Namespace = None) -> bool:
        return any(it.execute for it in self._databases(database, namespace))

    def can_read(self, *, database: str, table: str, namespace: Namespace = None) -> bool:
        return any(it.read for it in self._tables(database, table, namespace))

    def can_write(self, *, database: str, table: str, namespace: Namespace = None) -> bool:
        return any(it.write for it in self._tables(database, table, namespace))

    def can_alter(self, *, database: str, table: str, namespace: Namespace = None) -> bool:
        return any(it.alter for it in self._tables(database, table, namespace))

    def can_access(self, *, database: str, table: str, namespace: Namespace = None) -> bool:
        """Whether anything at all may be done with a table."""
        entries = self._tables(database, table, namespace)
        return any(it.read or it.write or it.alter for it in entries)

    def _databases(self, database: str, namespace: Namespace) -> Iterator[SqliteDatabaseGrant]:
        """Yield what applies to a database; where none are listed, every permission does."""
        if self.databases is None:
            yield SqliteDatabaseGrant(name=database, drop=True)
        for entry in self.databases or ():
            if entry.name == database and _is_in(entry.namespace, namespace):
                yield entry

    def _tables(self, database: str, table: str, namespace: Namespace) -> list[SqliteTableGrant]:
        """Return what applies to a table: the lines that name it or, without any, its database."""
        databases = list(self._databases(database, namespace))
        lines = [line for parent in databases for line in parent.tables or ()]
        named = [
            line
            for line in lines
            if line.database == database
            and line.table == table
            and _is_in(line.namespace, namespace)
        ]
        if named or all(parent.tables is not None for parent in databases):
            return named
        return [SqliteTableGrant(database=database, table=table, write=True, alter=True)]


class MemoryPermissions(Grant):
    """What may be done with one memory."""

    create: bool = True
    drop: bool = True
    inspect: bool = True
    query: bool = True
    upsert: bool = True
    ingest: bool = True
    recall: bool = True
    optimize: bool = True


class MemoryEntryGrant(Grant):
    """A line of a memory grant."""

    name: str
    namespace: Names | None = None
    permissions: MemoryPermissions = Field(default_factory=MemoryPermissions)


MemoryEntries: TypeAlias = list[MemoryEntryGrant]


class MemoryGrant(Grant):
    """Which memories may be used, and how."""

    list: bool = True
    memories: MemoryEntries | None = None

    def can_create(self, *, name: str, namespace: Namespace = None) -> bool:
        return any(it.create for it in self._permissions(name, namespace))

    def can_drop(self, *, name: str, namespace: Namespace = None) -> bool:
        return any(it.drop for it in self._permissions(name, namespace))

    def can_inspect(self, *, name: str, namespace: Namespace = None) -> bool:
        return any(it.inspect for it in self._permissions(name, namespace))

    def can_query(self, *, name: str, namespace: Namespace = None) -> bool:
        return any(it.query for it in self._permissions(name, namespace))

    def can_upsert(self, *, name: str, namespace: Namespace = None) -> bool:
        return any(it.upsert for it in self._permissions(name, namespace))

    def can_ingest(self, *, name: str, namespace: Namespace = None) -> bool:
        return any(it.ingest for it in self._permissions(name, namespace))

    def can_recall(self, *, name: str, namespace: Namespace = None) -> bool:
        return any(it.recall for it in self._permissions(name, namespace))

    def can_optimize(self, *, name: str, namespace: Namespace = None) -> bool:
        return any(it.optimize for it in self._permissions(name, namespace))

    def can_access_existing(self, *, name: str, namespace: Namespace = None) -> bool:
        """Whether anything may be done with a memory, short of creating it."""
        return any(
            it.drop or it.inspect or it.query or it.upsert or it.ingest or it.recall or it.optimize
            for it in self._permissions(name, namespace)
        )

    def _permissions(self, name: str, namespace: Namespace) -> Iterator[MemoryPermissions]:
        if self.memories is None:
            yield MemoryPermissions()
        for entry in self.memories or ():
            if entry.name == name and _is_in(entry.namespace, namespace):
                yield entry.permissions
