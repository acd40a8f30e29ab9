"""The rooms of teachers: places with a name, so that a location need not be shared for each lesson."""

from dataclasses import dataclass

from core.sqlite import Database


@dataclass(frozen=True)
class Room:
    """A named place: degrees (WGS 84), and how exact it was measured (metres)."""

    name: str
    latitude: float
    longitude: float
    accuracy: float | None


class Rooms:
    """The rooms' part of the ledger. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        """Work on the shared connection."""
        self._database = database

    def of(self, telegram_id: int) -> list[Room]:
        """Return a teacher's rooms, by name."""
        rows = self._database.read("SELECT * FROM rooms WHERE telegram_id = ? ORDER BY name", telegram_id)
        return [Room(row["name"], row["latitude"], row["longitude"], row["accuracy"]) for row in rows]

    def save(self, telegram_id: int, room: Room) -> None:
        """Keep a room, new or moved."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO rooms VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET latitude = excluded.latitude,"
                " longitude = excluded.longitude, accuracy = excluded.accuracy",
                (telegram_id, room.name, room.latitude, room.longitude, room.accuracy),
            )

    def remove(self, telegram_id: int, name: str) -> None:
        """Forget a room."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM rooms WHERE telegram_id = ? AND name = ?", (telegram_id, name))
