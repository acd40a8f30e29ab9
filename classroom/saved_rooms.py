"""Places that a teacher has given a name, so that a location need not be shared for each lesson."""

from dataclasses import astuple

from classroom.domain.sessions import Place
from core.sqlite import Database, Schema

SCHEMA = Schema(
    owner="classroom",
    tables=("rooms",),
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
    ),
)


class SavedRooms:
    """The table of saved rooms. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, telegram_id: int) -> dict[str, Place]:
        rows = self._database.read("SELECT * FROM rooms WHERE telegram_id = ? ORDER BY name", telegram_id)
        return {name: Place(*place) for _id, name, *place in rows}

    def save(self, telegram_id: int, name: str, place: Place) -> None:
        """Add a room, or change the one of that name."""
        row = (telegram_id, name, *astuple(place))
        self._database.write("INSERT OR REPLACE INTO rooms VALUES (?, ?, ?, ?, ?)", *row)

    def remove(self, telegram_id: int, name: str) -> None:
        self._database.write("DELETE FROM rooms WHERE telegram_id = ? AND name = ?", telegram_id, name)
