"""Restores the states of a ConversationHandler after a restart.

python-telegram-bot's persistence is a cache, written every minute: a crash would lose the step, and a typed password
would be taken for a username. So the handlers write each step to the database before they answer, and this class only
reads them, once, at the start.
"""

from collections.abc import Collection
from typing import Any

from telegram.ext import DictPersistence, PersistenceInput

from telegram_app.people import People


class StoredSteps(DictPersistence):
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

    async def update_user_data(self, user_id: int, data: dict[Any, Any]) -> None:
        """Store nothing: a person's data is in the stores."""
