"""What people were told once and for all: claimed in the transaction that queues the message, so never told twice."""

from datetime import datetime

from ledger.database import Database


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

    def clean(self, before: datetime) -> int:
        """Forget claims from before a moment; return how many."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM told WHERE at < ?", (before.isoformat(),)).rowcount
