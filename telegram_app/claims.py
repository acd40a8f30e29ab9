"""Claims of notices that are sent once: made in the transaction that queues the message."""

from datetime import datetime

from core.sqlite import Database


class Claims:
    """The claims of ``bot``. Every method is one transaction, or part of the one around it."""

    def __init__(self, database: Database, bot: str) -> None:
        self._database = database
        self._bot = bot

    def claim(self, key: str, at: datetime) -> bool:
        """Claim the right to send a notice; True for exactly one caller. For the ``when`` of ``Outbox.put``."""
        statement = "INSERT INTO told VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        return self._database.write(statement, self._bot, key, at.isoformat()) == 1

    def at(self, key: str) -> datetime | None:
        rows = self._database.read("SELECT at FROM told WHERE bot = ? AND key = ?", self._bot, key)
        return datetime.fromisoformat(rows[0]["at"]) if rows else None

    def keys(self, prefix: str) -> list[str]:
        """Return the claims that begin with ``prefix``, without it."""
        select = "SELECT key FROM told WHERE bot = ? AND substr(key, 1, ?) = ?"
        rows = self._database.read(select, self._bot, len(prefix), prefix)
        return [row["key"].removeprefix(prefix) for row in rows]

    def take_back(self, key: str) -> bool:
        """Delete a claim, so that the notice can be sent again; True for exactly one caller."""
        return self._database.write("DELETE FROM told WHERE bot = ? AND key = ?", self._bot, key) == 1

    def clean(self, before: datetime) -> int:
        """Delete claims made before a moment; return how many."""
        return self._database.write("DELETE FROM told WHERE bot = ? AND at < ?", self._bot, before.isoformat())
