"""The tables of people: language, reachability, and the step of a conversation that a person is at."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.sqlite import Database


@dataclass(frozen=True)
class ConversationStep:
    """The step of a conversation that a person is at, since when, with the answers so far (never a password)."""

    name: str
    data: dict[str, Any]
    at: datetime


class People:
    """The people of ``bot`` and their steps. Every method is one transaction."""

    def __init__(self, database: Database, bot: str) -> None:
        self._database = database
        self._bot = bot

    def languages(self) -> dict[int, str]:
        query = "SELECT telegram_id, language FROM people WHERE bot = ? AND language IS NOT NULL"
        rows = self._database.read(query, self._bot)
        return {row["telegram_id"]: row["language"] for row in rows}

    def set_language(self, telegram_id: int, language: str) -> None:
        self._set(telegram_id, "language", language)

    def set_unreachable(self, telegram_id: int, since: datetime | None) -> None:
        """Record since when Telegram refuses messages to this person (blocked, gone); None: it accepts them."""
        self._set(telegram_id, "unreachable_at", since.isoformat() if since else None)

    def _set(self, telegram_id: int, column: str, value: str | None) -> None:
        statement = f"INSERT INTO people (bot, telegram_id, {column}) VALUES (?, ?, ?)"  # noqa: S608  # our own names
        update = f" ON CONFLICT DO UPDATE SET {column} = excluded.{column}"
        self._database.write(statement + update, self._bot, telegram_id, value)

    def set_handled(self, telegram_id: int, update: int) -> None:
        """Record the last message of a person that was handled; nothing for somebody who is unknown or forgotten."""
        statement = "UPDATE people SET handled = ? WHERE bot = ? AND telegram_id = ?"
        self._database.write(statement, update, self._bot, telegram_id)

    def handled(self) -> dict[int, int]:
        """Return each person's last handled message, as the id of its update."""
        query = "SELECT telegram_id, handled FROM people WHERE bot = ? AND handled IS NOT NULL"
        return {row["telegram_id"]: row["handled"] for row in self._database.read(query, self._bot)}

    def unreachable(self) -> set[int]:
        """Return the people to whom Telegram refuses messages."""
        query = "SELECT telegram_id FROM people WHERE bot = ? AND unreachable_at IS NOT NULL"
        return {row["telegram_id"] for row in self._database.read(query, self._bot)}

    def set_step(self, telegram_id: int, step: str, data: dict[str, Any], at: datetime) -> None:
        statement = (
            "INSERT INTO steps VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET step = excluded.step, data = excluded.data, at = excluded.at"
        )
        stored = json.dumps(data, ensure_ascii=False)
        self._database.write(statement, self._bot, telegram_id, step, stored, at.isoformat())

    def change_step(self, telegram_id: int, when: Collection[str], step: str, at: datetime) -> None:
        """Move a person to another step, without data, if they are at one of the steps ``when``."""
        statement = (
            "UPDATE steps SET step = ?, at = ?, data = '{}'"
            " WHERE bot = ? AND telegram_id = ? AND step IN (SELECT value FROM json_each(?))"
        )
        self._database.write(statement, step, at.isoformat(), self._bot, telegram_id, json.dumps(list(when)))

    def step(self, telegram_id: int) -> ConversationStep | None:
        rows = self._database.read("SELECT * FROM steps WHERE bot = ? AND telegram_id = ?", self._bot, telegram_id)
        return _step(rows[0]) if rows else None

    def steps(self, *names: str) -> dict[int, ConversationStep]:
        """Return each person's step, or only those with one of these names."""
        rows = self._database.read("SELECT * FROM steps WHERE bot = ?", self._bot)
        return {row["telegram_id"]: _step(row) for row in rows if not names or row["step"] in names}

    def set_asked(self, telegram_id: int, step: str, at: datetime) -> None:
        """Record in a step's data when its question was delivered, once."""
        statement = (
            "UPDATE steps SET data = json_set(data, '$.asked', ?)"
            " WHERE bot = ? AND telegram_id = ? AND step = ? AND json_extract(data, '$.asked') IS NULL"
        )
        self._database.write(statement, at.isoformat(), self._bot, telegram_id, step)

    def end_step(self, telegram_id: int, step: ConversationStep) -> bool:
        """End this very step; True for exactly one caller, False if the person has moved on."""
        statement = "DELETE FROM steps WHERE bot = ? AND telegram_id = ? AND step = ? AND at = ?"
        return self._database.write(statement, self._bot, telegram_id, step.name, step.at.isoformat()) == 1

    def clear_step(self, telegram_id: int) -> None:
        self._database.write("DELETE FROM steps WHERE bot = ? AND telegram_id = ?", self._bot, telegram_id)

    def clean(self, before: datetime) -> int:
        """Delete steps that people reached before a moment; return how many."""
        return self._database.write("DELETE FROM steps WHERE bot = ? AND at < ?", self._bot, before.isoformat())

    def hand_over(self, old: int, new: int) -> None:
        """Give a person's language to their new Telegram account; both accounts' steps end."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO people (bot, telegram_id, language)"
                " SELECT bot, ?, language FROM people WHERE bot = ? AND telegram_id = ?"
                " ON CONFLICT DO UPDATE SET language = coalesce(excluded.language, language)",
                (new, self._bot, old),
            )
            connection.execute("DELETE FROM steps WHERE bot = ? AND telegram_id IN (?, ?)", (self._bot, old, new))

    def forget(self, telegram_id: int, *names: str) -> None:
        """Delete a person's rows, except queued deletions: a message with a typed password must leave the chat.

        ``names`` as for ``forget_names``, which gets the account's number, too.
        """
        with self._database.transaction() as connection:
            for statement in (
                "DELETE FROM people WHERE bot = ? AND telegram_id = ?",
                "DELETE FROM steps WHERE bot = ? AND telegram_id = ?",
                "DELETE FROM slots WHERE bot = ? AND chat_id = ?",
                "DELETE FROM outgoing WHERE bot = ? AND chat_id = ? AND action != 'delete'",
            ):
                connection.execute(statement, (self._bot, telegram_id))
            self.forget_names(str(telegram_id), *names)

    def forget_names(self, *names: str) -> None:
        """Delete claims and slots whose keys contain one of these names between colons or commas."""
        with self._database.transaction() as connection:
            for table, key in (("told", "key"), ("slots", "slot")):
                parts = f"instr(':' || replace({key}, ',', ':') || ':', ':' || ? || ':') > 0"
                for name in names:
                    connection.execute(f"DELETE FROM {table} WHERE bot = ? AND {parts}", (self._bot, name))  # noqa: S608

    def erase_traces(self) -> None:
        self._database.erase_traces()


def _step(row: Any) -> ConversationStep:
    return ConversationStep(row["step"], json.loads(row["data"]), datetime.fromisoformat(row["at"]))
