"""The classroom's one SQLite file: both bots' tables, saved rooms, and the store unless MongoDB is configured.

Older versions kept three files, which are taken over at the first start: ``store.sqlite3`` is renamed, the bots' files
are copied into it.
"""

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from classroom.saved_rooms import SCHEMA as SAVED_ROOMS
from classroom.store.schema import SCHEMA as STORE
from core.sqlite import Database, DatabaseError, Schema
from telegram_app.schema import SCHEMA as TELEGRAM_APP

log = logging.getLogger(__name__)

FILE, OLD_STORE = "classroom.sqlite3", "store.sqlite3"
KEY_FILE = "classroom.key"  # beside ENCRYPTION_KEY_FILE
OLD_FILES = {"teacher": (TELEGRAM_APP, SAVED_ROOMS), "student": (TELEGRAM_APP,)}  # by bot


def holds_store(folder: Path) -> bool:
    """Whether a file in this folder may hold tokens that are encrypted with the classroom's key."""
    return (folder / FILE).exists() or (folder / OLD_STORE).exists()


def open_database(folder: Path) -> Database:
    """Open or create the file in a folder, and take over older files. Blocks. Raises DatabaseError, OSError."""
    if not (folder / FILE).exists() and (folder / OLD_STORE).exists():
        Database(folder / OLD_STORE, [STORE]).close()  # writes the write-ahead log into the file
        (folder / OLD_STORE).rename(folder / FILE)
    database = Database(folder / FILE, [TELEGRAM_APP, SAVED_ROOMS, STORE], "the classroom's database")
    try:
        for bot, schemas in OLD_FILES.items():
            _take_over(database, folder / f"{bot}.sqlite3", bot, schemas)
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.Error):
            raise DatabaseError(f"an older file in '{folder}' can't be taken over ({error})") from error
        raise
    return database


def _take_over(database: Database, file: Path, bot: str, schemas: Sequence[Schema]) -> None:
    """Copy the rows of a bot's own file in one transaction, which also notes that; then delete the file."""
    if not file.exists():
        return
    with closing(Database(file, schemas, f"the database of the {bot} bot")) as old:
        for table in ("people", "steps", "told"):  # its rows were given to the marker when it got the column
            old.write(f"UPDATE {table} SET bot = ?", bot)  # noqa: S608  # our own names
    tables = [table for schema in schemas for table in schema.tables]
    with database.attached(file, "old") as connection, database.transaction():
        noted = f"import of {file.name}"
        if connection.execute("SELECT 1 FROM schema_versions WHERE owner = ?", (noted,)).fetchone() is None:
            for table in tables:
                _copy(connection, table)
            connection.execute("INSERT INTO schema_versions VALUES (?, 1)", (noted,))
            log.info("%s: taken over into %s", file.name, FILE)
    for each in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        each.unlink(missing_ok=True)


def _copy(connection: sqlite3.Connection, table: str) -> None:
    found = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
    # both bots' queues count their rows from 1: here they get new numbers, in the same order
    columns = ", ".join(name for (name,) in found if (table, name) != ("outgoing", "id"))
    order = "ORDER BY id" if table == "outgoing" else ""
    connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM old.{table} {order}")  # noqa: S608
