"""The table of outgoing messages: a durable queue, FIFO for each person, answers before notices."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from core.sqlite import Database

LANES = {-1: "urgent", 0: "answer", 1: "notice", 2: "later"}  # in this order they are sent
Action = Literal["send", "photo", "album", "document", "edit", "amend", "react", "strip", "delete"]


@dataclass(frozen=True)
class OutgoingRow:
    """One action in one chat.

    ``slot`` names a place on the person's screen, such as "menu": a message sent with a slot fills it; an edit or a
    strip works on the message that fills it at that moment. ``lane``: -1 deletions, 0 answers, 1 notices, 2 the rest.
    """

    id: int
    chat_id: int
    lane: int
    action: Action
    slot: str | None
    payload: dict[str, Any]
    at: datetime  # when it was queued


class Outgoing:
    """The queue and the slots of ``bot``; several bots may share the tables. Every method is one transaction."""

    def __init__(self, database: Database, bot: str) -> None:
        self._database = database
        self._bot = bot

    def add(
        self, chat_id: int, lane: int, action: Action, slot: str | None, payload: dict[str, Any], at: datetime
    ) -> int:
        with self._database.transaction() as connection:
            if slot is not None:  # what comes now must not wait behind a redraw of the same screen
                redraw = "action = 'amend' AND json_extract(payload, '$.shows') IS NOT NULL"
                delete = f"DELETE FROM outgoing WHERE bot = ? AND chat_id = ? AND slot = ? AND {redraw}"  # noqa: S608
                connection.execute(delete, (self._bot, chat_id, slot))
            cursor = connection.execute(
                "INSERT INTO outgoing (bot, chat_id, lane, action, slot, payload, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self._bot, chat_id, lane, action, slot, json.dumps(payload, ensure_ascii=False), at.isoformat()),
            )
        return int(cursor.lastrowid or 0)

    def next(self, chat_id: int) -> OutgoingRow | None:
        """Return the chat's next row: answers first, and within one slot always the oldest."""
        rows = self._database.read(
            "SELECT * FROM outgoing WHERE bot = ? AND chat_id = ? ORDER BY lane, id LIMIT 1", self._bot, chat_id
        )
        if rows and rows[0]["slot"] is not None:
            oldest = "SELECT * FROM outgoing WHERE bot = ? AND chat_id = ? AND slot = ? ORDER BY id LIMIT 1"
            rows = self._database.read(oldest, self._bot, chat_id, rows[0]["slot"])
        return _row(rows[0]) if rows else None

    def done(self, row: OutgoingRow, message_id: int | None = None) -> None:
        """Delete a row; if it sent a message into its slot, record that message."""
        with self._database.transaction():
            self._database.write("DELETE FROM outgoing WHERE id = ?", row.id)
            if row.slot is not None and message_id is not None:
                self.fill(row.chat_id, row.slot, message_id, row.payload.get("shows"))
            elif row.slot is not None and row.action in ("edit", "amend"):
                statement = "UPDATE slots SET shows = ? WHERE bot = ? AND chat_id = ? AND slot = ?"
                self._database.write(statement, row.payload.get("shows"), self._bot, row.chat_id, row.slot)

    def drop(self, chat_id: int) -> list[OutgoingRow]:
        """Delete what waits for a person who can't be reached, except deletions; their screens are not followed."""
        statement = "DELETE FROM outgoing WHERE bot = ? AND chat_id = ? AND action != 'delete' RETURNING *"
        with self._database.transaction() as connection:
            connection.execute("UPDATE slots SET shows = NULL WHERE bot = ? AND chat_id = ?", (self._bot, chat_id))
            return [_row(row) for row in connection.execute(statement, (self._bot, chat_id)).fetchall()]

    def drop_next(self, chat_id: int) -> None:
        first = "SELECT id FROM outgoing WHERE bot = ? AND chat_id = ? ORDER BY lane, id LIMIT 1"
        self._database.write(f"DELETE FROM outgoing WHERE id = ({first})", self._bot, chat_id)  # noqa: S608  # our own

    def chats(self) -> list[int]:
        rows = self._database.read("SELECT DISTINCT chat_id FROM outgoing WHERE bot = ?", self._bot)
        return [row["chat_id"] for row in rows]

    def fill(self, chat_id: int, slot: str, message_id: int, shows: str | None = None) -> None:
        statement = (
            "INSERT INTO slots VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET message_id = excluded.message_id,"
            " shows = CASE WHEN message_id = excluded.message_id THEN shows ELSE excluded.shows END"
        )
        self._database.write(statement, self._bot, chat_id, slot, message_id, shows)

    def shown(self, slot: str, even_stuck: bool = False) -> dict[int, str]:
        """Return what a slot shows in each chat, where it is known and nothing for it waits to be sent.

        ``even_stuck``: also where what waits shows a view, too.
        """
        waiting = "SELECT chat_id FROM outgoing WHERE bot = ?1 AND slot = ?2"
        waiting += " AND json_extract(payload, '$.shows') IS NULL" if even_stuck else ""
        known = f"bot = ?1 AND slot = ?2 AND shows IS NOT NULL AND chat_id NOT IN ({waiting})"
        rows = self._database.read(f"SELECT chat_id, shows FROM slots WHERE {known}", self._bot, slot)  # noqa: S608
        return {row["chat_id"]: row["shows"] for row in rows}

    def clear(self, chat_id: int, slot: str) -> None:
        self._database.write("DELETE FROM slots WHERE bot = ? AND chat_id = ? AND slot = ?", self._bot, chat_id, slot)

    def waiting(self) -> tuple[int, datetime | None]:
        """Return how many rows wait, and since when the oldest one does."""
        (row,) = self._database.read("SELECT count(*), min(created_at) FROM outgoing WHERE bot = ?", self._bot)
        return row[0], datetime.fromisoformat(row[1]) if row[1] else None

    def clean_slots(self, prefix: str, gone: Callable[[list[str]], Iterable[str]]) -> int:
        """Delete the slots ``prefix + key`` of those keys that ``gone`` returns; return how many."""
        with self._database.transaction() as connection:
            slots = connection.execute("SELECT DISTINCT slot FROM slots WHERE bot = ?", (self._bot,)).fetchall()
            keys = [row["slot"].removeprefix(prefix) for row in slots if row["slot"].startswith(prefix)]
            return connection.executemany(
                "DELETE FROM slots WHERE bot = ? AND slot = ?", [(self._bot, prefix + key) for key in gone(keys)]
            ).rowcount

    def message(self, chat_id: int, slot: str) -> int | None:
        rows = self._database.read(
            "SELECT message_id FROM slots WHERE bot = ? AND chat_id = ? AND slot = ?", self._bot, chat_id, slot
        )
        return rows[0]["message_id"] if rows else None


def _row(row: Any) -> OutgoingRow:
    number, _bot, chat_id, lane, action, slot, payload, created_at = row
    return OutgoingRow(number, chat_id, lane, action, slot, json.loads(payload), datetime.fromisoformat(created_at))
