"""Wrong codes and refused passwords, counted so that nobody guesses through us."""

from datetime import datetime

from ledger.database import Database


class Tries:
    """The tries' part of the ledger. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        """Work on the shared connection."""
        self._database = database

    def add(self, kind: str, who: str, at: datetime) -> None:
        """Keep a try that failed."""
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO tries VALUES (?, ?, ?)", (kind, who, at.isoformat()))

    def since(self, kind: str, who: str, since: datetime) -> list[datetime]:
        """Return the tries since a moment, oldest first."""
        rows = self._database.read(
            "SELECT at FROM tries WHERE kind = ? AND who = ? AND at > ? ORDER BY at", kind, who, since.isoformat()
        )
        return [datetime.fromisoformat(row["at"]) for row in rows]

    def forget(self, kind: str, who: str) -> None:
        """Forget somebody's tries: one has succeeded."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM tries WHERE kind = ? AND who = ?", (kind, who))

    def clean(self, before: datetime) -> int:
        """Delete tries from before a moment; return how many."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM tries WHERE at < ?", (before.isoformat(),)).rowcount
