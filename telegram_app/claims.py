"""What people were told once and for all: claimed in the transaction that queues the message, so never told twice."""

from datetime import datetime

from core.sqlite import Database


class Told:
    """The claims' part of the ledger. Every method is one transaction, or part of the one around it."""

    def __init__(self, database: Database) -> None:
        """Work on the shared connection."""
        self._database = database

    def claim(self, key: str, at: datetime) -> bool:
        """Record that this is told; True the first time. For the ``when`` of ``Outbox.put``."""
        with self._database.transaction() as connection:
            cursor = connection.execute("INSERT INTO told VALUES (?, ?) ON CONFLICT DO NOTHING", (key, at.isoformat()))
        return cursor.rowcount == 1

    def at(self, key: str) -> datetime | None:
        """Return when this was claimed; None where it was not."""
        rows = self._database.read("SELECT at FROM told WHERE key = ?", key)
        return datetime.fromisoformat(rows[0]["at"]) if rows else None

    def take_back(self, key: str) -> bool:
        """Forget a claim: what was told is over, and would be told anew; True the first time."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM told WHERE key = ?", (key,)).rowcount == 1

    def clean(self, before: datetime) -> int:
        """Forget claims from before a moment; return how many."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM told WHERE at < ?", (before.isoformat(),)).rowcount
