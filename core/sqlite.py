"""A SQLite file with one connection and one writer at a time, and the migrations of its tables' owners.

Several packages keep tables in one file, so that a change of several of them is one transaction. Each owner has a
``Schema`` with a version of its own.
"""

import logging
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

# PRAGMA user_version of a file whose versions stand in `schema_versions`, one for each owner. Files of older programs
# have one small number for all tables there, and those programs refuse this one.
VERSIONS_BY_OWNER = 100
# PRAGMA application_id of a file that holds no remains of rows that versions without secure_delete deleted.
WITHOUT_REMAINS = 0x41545431
HELD = "another program holds it, end that one"  # what to do about "database is locked"
# Seconds between looks; from a deletion to its repetition; between tries while another process reads an older state.
LOOK_EVERY, ERASE_AGAIN, ERASE_RETRY = 5.0, 5.0, 30.0
BUSY_TIMEOUT = 5000  # milliseconds for which a statement waits for another process

# What quick_check says of values; Debian 12's SQLite also where nothing is wrong with them. It is no damage of a page.
_OF_VALUES = re.compile(r"(NULL|NUMERIC|TEXT|non-\w+) value in ")


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


def advice(error: DatabaseError) -> str:
    """Return what the operator has to do about a database that can't be used."""
    return HELD if "is locked" in str(error) else "see the log"


def damage(connection: sqlite3.Connection) -> str:
    """Return the first damage that `quick_check` finds in a file's pages as one line; empty: there is none."""
    try:
        found = [row[0] for row in connection.execute("PRAGMA quick_check")]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return str(error)
    wrong = (each for each in found if each != "ok" and not _OF_VALUES.match(each))
    return " ".join(next(wrong, "").split())[:200]


class Database:
    """The connection that all owners of the file's tables share. Not for the event loop: its methods block.

    ``path`` is made if it is missing (0600); ":memory:" is a database that is lost when it is closed. ``name`` is what
    errors call the database.

    Raises:
        DatabaseError: the file is no database, damaged, can't be opened, or is newer than this program.
    """

    def __init__(
        self,
        path: Path | str,
        schemas: Sequence[Schema],
        name: str = "the database",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._name = name
        self.trouble = ""  # why the last transaction failed; empty if it did not
        self._look_at = 0.0  # when ``probe`` looks next; monotonic
        self._erase_at: float | None = None  # when it erases traces again
        connection: sqlite3.Connection | None = None
        try:
            if path != ":memory:":
                Path(path).touch(mode=0o600)
                Path(path).chmod(0o600)
            connection = sqlite3.connect(path, BUSY_TIMEOUT / 1000, check_same_thread=False, isolation_level=None)
            self._connection = connection
            connection.row_factory = sqlite3.Row
            # FULL: a commit that was acknowledged survives a power cut, too
            for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL", "secure_delete = ON"):
                connection.execute(f"PRAGMA {pragma}")
            self._changes = connection.total_changes  # of which the write-ahead log is empty
            self._migrate(schemas)
            if wrong := damage(connection):
                raise sqlite3.DatabaseError(wrong)
            if connection.execute("PRAGMA application_id").fetchone()[0] != WITHOUT_REMAINS and self._erase():
                connection.execute(f"PRAGMA application_id = {WITHOUT_REMAINS}")
        except (sqlite3.Error, OSError, DatabaseError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, DatabaseError):
                raise
            if not _is_damage(error):
                hint = f": {HELD}" if "is locked" in str(error) else ""
                raise DatabaseError(f"{name} '{path}' can't be opened ({error}){hint}") from error
            todo = "restore a backup (bot.py --restore), or repair a copy of the file with sqlite3's .recover"
            raise DatabaseError(f"{name} '{path}' is damaged ({error}): {todo}") from error

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
        """Write some pages, if the last transaction failed or ``always``; return why that fails, empty if it works.

        Called each second, it also does what is due: see whether another process holds the file, empty the
        write-ahead log of rows that were deleted meanwhile, erase traces again.
        """
        if (now := self._monotonic()) >= self._look_at:
            self._look_at = now + LOOK_EVERY
            if self._erase_at is not None and now >= self._erase_at:
                self._erase_at = None if self._erase() else now + ERASE_RETRY
            elif self._connection.total_changes != self._changes:
                self._empty_log()
            elif not self.trouble:
                with suppress(DatabaseUnavailable), self.transaction():
                    pass  # only the lock is of interest
        if self.trouble or always:
            with suppress(DatabaseUnavailable), self.transaction() as connection:
                connection.execute("CREATE TABLE probe (content)")
                connection.execute("INSERT INTO probe VALUES (zeroblob(65536))")  # needs pages that are not there yet
                connection.execute("DROP TABLE probe")
        return self.trouble

    def erase_traces(self) -> None:
        """Rewrite the file without remains of deleted rows, and empty the write-ahead log; ``probe`` repeats it.

        `secure_delete` alone is not enough: copies stay of rows that SQLite moved before. It is repeated since the
        answer to the person is queued after the deletion, and where another process reads an older state.
        """
        self._erase()
        self._erase_at = self._monotonic() + ERASE_AGAIN

    def _erase(self) -> bool:
        with self._lock:
            try:
                self._connection.execute("VACUUM")
            except sqlite3.Error as error:
                log.warning("%s: remains of deleted rows are not erased yet (%s)", self._name, error)
                self._empty_log()
                return False
            return self._empty_log()

    def _empty_log(self) -> bool:
        """Write the write-ahead log into the file and truncate it; False: another process still needs it."""
        with self._lock:
            changes = self._connection.total_changes
            try:
                self._connection.execute("PRAGMA busy_timeout = 0")  # a reader may stay for minutes
                is_busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.Error as error:
                log.warning("%s: the write-ahead log is not emptied yet (%s)", self._name, error)
                return False
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
            if not is_busy:
                self._changes = changes
            return not is_busy

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
            if self._erase_at is not None:
                self._erase()
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


def _is_damage(error: Exception) -> bool:
    is_other = isinstance(error, sqlite3.OperationalError | OSError) or "not a database" in str(error)
    return isinstance(error, sqlite3.DatabaseError) and not is_other
