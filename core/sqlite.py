"""A SQLite file with one connection and one writer at a time, and the migrations of its tables' owners.

Several packages keep tables in one file, so that a change of several of them is one transaction. Each owner has a
``Schema`` with a version of its own.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

# PRAGMA user_version of a file whose versions stand in `schema_versions`, one for each owner. Files of older programs
# have one small number for all tables there, and those programs refuse this one.
VERSIONS_BY_OWNER = 100


class DatabaseError(Exception):
    """The database can't be used (permanent: the operator has to look). Its text is one line."""


class DatabaseUnavailable(DatabaseError):
    """The database can't be read or written now: disk full, locked (try again). Nothing was changed."""


@dataclass(frozen=True)
class Schema:
    """The tables of one owner.

    ``migrations`` has one script for each version; released scripts are never changed, only added, and the tests keep
    a file of each old version. ``legacy`` gives the owner's version in a file from before owners had versions, by the
    ``PRAGMA user_version`` of that file. ``functions``, each of one text, are what scripts may call.
    """

    owner: str
    migrations: tuple[str, ...]
    tables: tuple[str, ...]
    legacy: Mapping[int, int] = field(default_factory=dict)
    functions: Mapping[str, Callable[[str], str | None]] = field(default_factory=dict)

    @property
    def version(self) -> int:
        return len(self.migrations)


def stored_versions(connection: sqlite3.Connection, schemas: Sequence[Schema]) -> dict[str, int]:
    """Return the version of each owner's tables in a file; 0: it has none. Raises DatabaseError: a version is newer."""
    layout = connection.execute("PRAGMA user_version").fetchone()[0]
    if layout == VERSIONS_BY_OWNER:
        stored = dict(connection.execute("SELECT owner, version FROM schema_versions").fetchall())
        versions = {schema.owner: stored.get(schema.owner, 0) for schema in schemas}
    else:
        newest = max((version for schema in schemas for version in schema.legacy), default=0)
        if layout > newest:
            known = VERSIONS_BY_OWNER if layout > VERSIONS_BY_OWNER else newest
            raise DatabaseError(f"schema {layout}; this version of the program knows {known}")
        versions = {schema.owner: schema.legacy.get(layout, 0) for schema in schemas}
    for schema in schemas:
        if versions[schema.owner] > schema.version:
            raise DatabaseError(
                f"schema {versions[schema.owner]} of {schema.owner}; this version of the program knows {schema.version}"
            )
    return versions


class Database:
    """The connection that all owners of the file's tables share. Not for the event loop: its methods block.

    ``path`` is made if it is missing (0600); ":memory:" is a database that is lost when it is closed. ``name`` is what
    errors call the database.

    Raises:
        DatabaseError: the file is no database, can't be opened, or is newer than this program.
    """

    def __init__(self, path: Path | str, schemas: Sequence[Schema], name: str = "the database") -> None:
        self._lock = threading.RLock()
        self._name = name
        self.trouble = ""  # why the last transaction failed; empty if it did not
        connection: sqlite3.Connection | None = None
        try:
            if path != ":memory:":
                Path(path).touch(mode=0o600)
                Path(path).chmod(0o600)
            connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection = connection
            connection.row_factory = sqlite3.Row
            # FULL: a commit that was acknowledged survives a power cut, too
            for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL"):
                connection.execute(f"PRAGMA {pragma}")
            self._migrate(schemas)
        except (sqlite3.Error, OSError, DatabaseError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, DatabaseError):
                raise
            raise DatabaseError(f"{name} '{path}' can't be opened ({error})") from error

    @contextmanager
    def transaction(self, *, writes: bool = True) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction: commit at its end, roll back on an exception.

        A transaction within another one is part of it. One that does not write reads a consistent state and waits
        for no writer. Raises DatabaseUnavailable.
        """
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                yield self._connection
                self._connection.execute("COMMIT")
                self.trouble = "" if writes else self.trouble
            except BaseException as error:
                # on a full disk SQLite has rolled back by itself
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    self.trouble = f"{self._name} can't be written ({error})"
                    raise DatabaseUnavailable(self.trouble) from error
                raise

    def probe(self, always: bool = False) -> str:
        """Write some pages, if the last transaction failed or ``always``; return why that fails, empty if it works."""
        if self.trouble or always:
            with suppress(DatabaseUnavailable), self.transaction() as connection:
                connection.execute("CREATE TABLE probe (content)")
                connection.execute("INSERT INTO probe VALUES (zeroblob(65536))")  # needs pages that are not there yet
                connection.execute("DROP TABLE probe")
        return self.trouble

    def write(self, statement: str, *parameters: object) -> int:
        """Execute one statement in a transaction; return how many rows it changed. Raises DatabaseUnavailable."""
        with self.transaction() as connection:
            return connection.execute(statement, parameters).rowcount

    def read(self, query: str, *parameters: object) -> list[sqlite3.Row]:
        """Return the rows of a query. Raises DatabaseUnavailable."""
        with self._lock:
            try:
                return self._connection.execute(query, parameters).fetchall()
            except sqlite3.OperationalError as error:
                raise DatabaseUnavailable(f"{self._name} can't be read ({error})") from error

    @contextmanager
    def attached(self, path: Path, name: str) -> Iterator[sqlite3.Connection]:
        """Make another file's tables readable as ``name.table`` during a block."""
        with self._lock:
            self._connection.execute(f"ATTACH ? AS {name}", (str(path),))
            try:
                yield self._connection
            finally:
                self._connection.execute(f"DETACH {name}")

    def close(self) -> None:
        """Close the connection; the write-ahead log is written into the file."""
        with self._lock:
            self._connection.close()

    def _migrate(self, schemas: Sequence[Schema]) -> None:
        try:
            versions = stored_versions(self._connection, schemas)
        except DatabaseError as error:
            raise DatabaseError(f"{self._name} has {error}") from None
        if self._connection.execute("PRAGMA user_version").fetchone()[0] != VERSIONS_BY_OWNER:
            self._adopt(schemas, versions)
        for schema in schemas:
            for name, function in schema.functions.items():
                self._connection.create_function(name, 1, function)
            for number, script in enumerate(schema.migrations[versions[schema.owner] :], versions[schema.owner] + 1):
                # one transaction with the version's number: a crash leaves the old schema or the new one
                counted = f"INSERT OR REPLACE INTO schema_versions VALUES ('{schema.owner}', {number})"  # noqa: S608  # our own name
                self._connection.executescript(f"BEGIN IMMEDIATE; {script}; {counted}; COMMIT;")

    def _adopt(self, schemas: Sequence[Schema], versions: dict[str, int]) -> None:
        """Give the file a version for each owner; drop empty tables of other owners, which older programs made."""
        with self.transaction() as connection:
            connection.execute("CREATE TABLE schema_versions (owner TEXT PRIMARY KEY, version INTEGER NOT NULL)")
            connection.executemany("INSERT INTO schema_versions VALUES (?, ?)", versions.items())
            wanted = {"schema_versions"}.union(*(schema.tables for schema in schemas))
            tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            for table in [name for (name,) in connection.execute(tables) if name not in wanted]:
                if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is None:  # noqa: S608  # made by us
                    connection.execute(f"DROP TABLE {table}")
            connection.execute(f"PRAGMA user_version = {VERSIONS_BY_OWNER}")
