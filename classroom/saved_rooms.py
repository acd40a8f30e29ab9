"""Places that a teacher has given a name, so that a location need not be shared for each lesson; two more tables."""

from dataclasses import astuple

from classroom.domain.location_policy import is_on_earth
from classroom.domain.sessions import Place
from classroom.domain.sorting import name_key
from core.sqlite import Database, Schema

SCHEMA = Schema(
    owner="classroom",
    tables=("rooms", "moves", "refusals"),
    legacy={1: 0, 2: 0, 3: 1},
    migrations=(
        """
        CREATE TABLE rooms (
            telegram_id    INTEGER NOT NULL,
            name           TEXT NOT NULL,
            latitude       REAL NOT NULL,
            longitude      REAL NOT NULL,
            accuracy       REAL,                -- metres, as the phone reported it when the place was shared
            PRIMARY KEY (telegram_id, name)
        ) WITHOUT ROWID;
        """,
        # older files of the teacher's bot may have it already, empty, with the marker's columns
        """
        CREATE TABLE IF NOT EXISTS moves (      -- codes that move a teacher to another Telegram account
            code           TEXT PRIMARY KEY,
            student        INTEGER NOT NULL,    -- the teacher; named as in the marker's table
            created_by     INTEGER NOT NULL,
            expires_at     TEXT NOT NULL,
            moved_to       INTEGER
        );
        """,
        """
        CREATE TABLE refusals (                 -- refused sign-ins: see telegram_app/attempts.py
            kind           TEXT NOT NULL,
            who            TEXT NOT NULL,       -- a person's, an account's or both, hashed
            since          TEXT NOT NULL,
            failures       INTEGER NOT NULL,
            locked_until   TEXT,
            PRIMARY KEY (kind, who)
        ) WITHOUT ROWID;
        """,
    ),
)


class SavedRooms:
    """The table of saved rooms. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, telegram_id: int) -> dict[str, Place]:
        """Return a teacher's rooms in the order of their names."""
        rows = self._database.read("SELECT * FROM rooms WHERE telegram_id = ?", telegram_id)
        found = {name: Place(*place) for _id, name, *place in sorted(rows, key=lambda row: name_key(row["name"]))}
        return {name: place for name, place in found.items() if is_on_earth(place)}  # the file may be edited by hand

    def save(self, telegram_id: int, name: str, place: Place) -> None:
        """Add a room, or change the one of that name."""
        row = (telegram_id, name, *astuple(place))
        self._database.write("INSERT OR REPLACE INTO rooms VALUES (?, ?, ?, ?, ?)", *row)

    def hand_over(self, old: int, new: int) -> None:
        """Give the rooms to the teacher's new account; where both have one of a name, the new one stays."""
        with self._database.transaction():
            self._database.write("UPDATE OR IGNORE rooms SET telegram_id = ? WHERE telegram_id = ?", new, old)
            self._database.write("DELETE FROM rooms WHERE telegram_id = ?", old)

    def remove(self, telegram_id: int, name: str) -> None:
        self._database.write("DELETE FROM rooms WHERE telegram_id = ? AND name = ?", telegram_id, name)
