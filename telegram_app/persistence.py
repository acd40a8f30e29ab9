"""Restores the states of a ConversationHandler after a restart.

python-telegram-bot's persistence is a cache, written every minute: a crash would lose the step, and a typed password
would be taken for a username. So the handlers write each step to the database before they answer, and this class only
reads them, once, at the start.
"""

from collections.abc import Collection
from typing import Any

from telegram.ext import BasePersistence, PersistenceInput

from telegram_app.people import People

Data = dict[Any, Any]


class StoredSteps(BasePersistence[Data, Data, Data]):
    """A read-only persistence: returns the steps in the database that are states of a conversation (``steps``)."""

    def __init__(self, people: People, steps: Collection[str]) -> None:
        super().__init__(PersistenceInput(bot_data=False, chat_data=False, user_data=False, callback_data=False))
        self._people = people
        self._steps = frozenset(steps)

    async def get_conversations(self, name: str) -> dict[Any, Any]:
        """Return each person's state by (chat, person), which are the same in a private chat."""
        return {(who, who): step.name for who, step in self._people.steps().items() if step.name in self._steps}

    async def update_conversation(self, name: str, key: Any, new_state: object | None) -> None:
        """Do nothing: the handler wrote the step before it answered."""

    async def get_user_data(self) -> dict[int, Data]:
        """Return nothing: a person's data is in the stores."""
        return {}

    async def get_chat_data(self) -> dict[int, Data]:
        """Return nothing."""
        return {}

    async def get_bot_data(self) -> Data:
        """Return nothing."""
        return {}

    async def get_callback_data(self) -> None:
        """Return nothing."""

    async def update_user_data(self, user_id: int, data: Data) -> None:
        """Store nothing."""

    async def update_chat_data(self, chat_id: int, data: Data) -> None:
        """Store nothing."""

    async def update_bot_data(self, data: Data) -> None:
        """Store nothing."""

    async def update_callback_data(self, data: Any) -> None:
        """Store nothing."""

    async def drop_chat_data(self, chat_id: int) -> None:
        """Nothing is stored."""

    async def drop_user_data(self, user_id: int) -> None:
        """Nothing is stored."""

    async def refresh_user_data(self, user_id: int, user_data: Data) -> None:
        """Nothing to refresh."""

    async def refresh_chat_data(self, chat_id: int, chat_data: Data) -> None:
        """Nothing to refresh."""

    async def refresh_bot_data(self, bot_data: Data) -> None:
        """Nothing to refresh."""

    async def flush(self) -> None:
        """Nothing is held back."""
