"""One SQLite file, one connection, one writer at a time; its schema and the way there."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Each entry brings the schema one version forward; PRAGMA user_version counts them. Entries are never changed,
# only added; tests keep a database of each old version.
MIGRATIONS = [
    """
    CREATE TABLE people (
        telegram_id    INTEGER PRIMARY KEY,
        language       TEXT,
        unreachable_at TEXT                 -- since when Telegram answers 403 for them
    );
    CREATE TABLE steps (                    -- where a person is in a conversation; never a password
        telegram_id    INTEGER PRIMARY KEY,
        step           TEXT NOT NULL,
        data           TEXT NOT NULL,
        at             TEXT NOT NULL
    );
    CREATE TABLE lessons (
        key            TEXT PRIMARY KEY,    -- rule 5's identity, hashed
        student        INTEGER NOT NULL,
        local_date     TEXT NOT NULL,
        subject        TEXT NOT NULL,
        teacher        TEXT NOT NULL,
        time           TEXT NOT NULL,
        seen_at        TEXT NOT NULL,
        intended_at    TEXT,                -- written before the first click
        marked_at      TEXT,                -- the page confirmed
        told_at        TEXT,                -- the message is in `outgoing`
        offered_until  TEXT                 -- Mark Now is on the screen until then
    );
    CREATE INDEX lessons_untold ON lessons (marked_at) WHERE told_at IS NULL AND marked_at IS NOT NULL;
    CREATE INDEX lessons_offered ON lessons (offered_until) WHERE offered_until IS NOT NULL;
    CREATE INDEX lessons_of_student ON lessons (student, seen_at);
    CREATE TABLE outgoing (
        id             INTEGER PRIMARY KEY AUTOINCREMENT,
        bot            TEXT NOT NULL,
        chat_id        INTEGER NOT NULL,
        lane           INTEGER NOT NULL,    -- -1: deletions, 0: answers to a tap, 1: notices
        action         TEXT NOT NULL,       -- send, edit, amend, strip, delete
        slot           TEXT,                -- the place on the person's screen that it fills
        payload        TEXT NOT NULL,
        created_at     TEXT NOT NULL
    );
    CREATE INDEX outgoing_of_chat ON outgoing (bot, chat_id, lane, id);
    CREATE TABLE slots (                    -- which message now fills a place on a person's screen
        bot            TEXT NOT NULL,
        chat_id        INTEGER NOT NULL,
        slot           TEXT NOT NULL,
        message_id     INTEGER NOT NULL,
        PRIMARY KEY (bot, chat_id, slot)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE lessons ADD COLUMN closed_at TEXT;  -- gone from the page unmarked, and told
    CREATE INDEX lessons_of_day ON lessons (local_date);
    CREATE TABLE told (                     -- what has been told once and for all, by a key of its own
        key            TEXT PRIMARY KEY,
        at             TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE watches (                  -- what is kept of a student's monitor over restarts
        student        INTEGER PRIMARY KEY,
        last_check     TEXT,
        trouble        TEXT,                -- the last trouble's kind
        trouble_text   TEXT,
        trouble_at     TEXT,
        told_since     TEXT,                -- told of a trouble that began then and is not over
        skip_date      TEXT                 -- the local day that the student skips
    );
    CREATE TABLE attempts (                 -- wrong codes and refused passwords, so that nobody guesses them
        kind           TEXT NOT NULL,
        who            TEXT NOT NULL,       -- a person's or a portal account's, hashed
        since          TEXT NOT NULL,
        failures       INTEGER NOT NULL,
        locked_until   TEXT,
        PRIMARY KEY (kind, who)
    ) WITHOUT ROWID;
    CREATE TABLE moves (                    -- codes that move a student to another Telegram account
        code           TEXT PRIMARY KEY,
        student        INTEGER NOT NULL,
        created_by     INTEGER NOT NULL,
        expires_at     TEXT NOT NULL,
        moved_to       INTEGER              -- written before the record moves; the row goes with the last step
    );
    """,
    """
    CREATE TABLE rooms (                    -- places that a teacher has given a name
        telegram_id    INTEGER NOT NULL,
        name           TEXT NOT NULL,
        latitude       REAL NOT NULL,
        longitude      REAL NOT NULL,
        accuracy       REAL,                -- metres; as the phone said when the place was shared
        PRIMARY KEY (telegram_id, name)
    ) WITHOUT ROWID;
    """,
]

SCHEMA = len(MIGRATIONS)


class LedgerError(Exception):
    """The database can't be used (permanent: the operator has to look). Its text is one line."""


class LedgerUnavailable(LedgerError):
    """The database can't be read or written now: disk full, locked (try again). Nothing was changed."""


class Database:
    """The connection that all parts of the ledger share. Its methods may be called from any thread but the loop's."""

    def __init__(self, path: Path | str, migrations: Sequence[str] = MIGRATIONS, name: str = "the ledger") -> None:
        """Open or make the database (0600); ":memory:" makes one that is forgotten.

        ``migrations`` are the scripts that bring it forward, one a version; ``name`` is what errors call it.

        Raises:
            LedgerError: the file is no database, can't be opened, or is newer than this program.
        """
        self._lock = threading.RLock()
        self._migrations = migrations
        self._name = name
        connection: sqlite3.Connection | None = None
        try:
            if path != ":memory:":
                Path(path).touch(mode=0o600)
                Path(path).chmod(0o600)
            connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection = connection
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            # FULL: an intent that is acknowledged is there after a power cut, too
            self._connection.execute("PRAGMA synchronous = FULL")
            self._migrate()
        except (sqlite3.Error, OSError, LedgerError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, LedgerError):
                raise
            raise LedgerError(f"{name} '{path}' can't be opened ({error})") from error

    @contextmanager
    def transaction(self, *, writes: bool = True) -> Iterator[sqlite3.Connection]:
        """Hold the one writer's place; commit at the end, roll back on an exception. Raises LedgerUnavailable.

        Where it ``writes`` nothing, what is read belongs together all the same, and no writer is waited for.
        """
        with self._lock:
            if self._connection.in_transaction:  # called within another part's transaction: one commit for both
                yield self._connection
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                # on a full disk SQLite has rolled back by itself
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise LedgerUnavailable(f"{self._name} can't be written ({error})") from error
                raise

    def read(self, query: str, *parameters: object) -> list[sqlite3.Row]:
        """Return the rows of a query. Raises LedgerUnavailable."""
        with self._lock:
            try:
                return self._connection.execute(query, parameters).fetchall()
            except sqlite3.OperationalError as error:
                raise LedgerUnavailable(f"{self._name} can't be read ({error})") from error

    def close(self) -> None:
        """Close the connection; the write-ahead log goes into the file."""
        with self._lock:
            self._connection.close()

    def _migrate(self) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        known = len(self._migrations)
        if version > known:
            raise LedgerError(f"{self._name} has schema {version}; this version of the program knows {known}")
        for number, script in enumerate(self._migrations[version:], start=version + 1):
            # one transaction with the version's number: a crash leaves the old schema or the new one
            self._connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")
