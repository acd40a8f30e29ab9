"""The check before each button of a session: it is the sender's own, and the button fits its state.

Old buttons outlive permissions, and data can be forged.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler

from classroom.domain.sessions import Session
from classroom.services import Classroom
from telegram_app.outbox import Item
from telegram_app.side import Context, sender, tapped_data

log = logging.getLogger(__name__)

KEY = r"[0-9a-f]{12}"
FOR_PHONES = {"reopen", "extend", "place", "save"}  # kinds of buttons that a lesson without phones does not have
# Called with a session, the kind of the button, and what follows the session's ID in the button's data; returns what
# the tap is answered with.
OnTap = Callable[..., Coroutine[Any, Any, str | None]]


@dataclass(eq=False)
class OwnSessions:
    """``show_cancelled`` shows that a session is cancelled, and finishes what a crash left of the cancelling."""

    _classroom: Classroom
    show_cancelled: Callable[[Session], Awaitable[None]]

    def handlers(self, taps: Mapping[str, OnTap]) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers of buttons by the patterns of their data: kind, session's ID, and what follows."""
        return [CallbackQueryHandler(self._checked(each), pattern=pattern) for pattern, each in taps.items()]

    def _checked(self, handler: OnTap) -> Callable[[Update, Context], Coroutine[Any, Any, None]]:
        side = self._classroom.teacher

        async def answer(update: Update) -> str:
            what, session_id, *rest = tapped_data(update).split(":")
            session, _ = await self.own(update, session_id), side.texts(sender(update))
            if session is not None and session.cancelled:
                await self.show_cancelled(session)
                return _("Cancelled: nothing is recorded.")
            if session is not None and session.without_phones and what in FOR_PHONES:
                return _("This button is no longer in use.")
            if session is not None:
                return await handler(session, what, *rest) or ""
            if (there := await self._classroom.store.session(session_id)) is None or there.teacher != sender(update):
                return _("This button is no longer in use.")
            return ""

        async def handle(update: Update, context: Context) -> None:
            await side.answered(update, answer(update))

        return handle

    async def own(self, update: Update, session_id: str) -> Session | None:
        """Return a session if it is the sender's own and the sender is signed in."""
        session = await self._classroom.store.session(session_id)
        if session is None or session.teacher != sender(update):
            log.warning("person %d tapped a button of session %s that is not theirs", sender(update), session_id)
            return None
        if await self._classroom.store.teacher(sender(update)) is None:
            _ = self._classroom.teacher.texts(session.teacher)
            text = _("You are signed out. Press /start to sign in, then use the button again.")
            await self._classroom.teacher.outbox.put(Item(session.teacher, "send", text))
            return None
        return session
