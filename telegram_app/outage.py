"""A full or read-only disk: the admins are told directly, since the outbox can't store their message."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from core.clock import Clock
from core.sqlite import HELD
from core.tasks import is_wanted
from telegram_app.i18n import Texts
from telegram_app.outbox import Item, Outbox

log = logging.getLogger(__name__)

BETWEEN_LOOKS = 1.0  # seconds
BETWEEN_TRIES = timedelta(seconds=10)  # during an outage: each writes something
AGAIN, RETRY = timedelta(hours=6), timedelta(minutes=1)  # between two messages; after one that was not delivered
OVER_AFTER = timedelta(minutes=1)  # for which writes have worked


@dataclass(eq=False)
class WriteOutage:
    """Watches whether everything can be written.

    Each of ``stores`` returns why it can't be written, empty if it can; it blocks. It tries to write if its last write
    failed, or always if called with True: during an outage, since small writes may work on a full disk. ``todo``
    returns what people should do meanwhile; ``on_change`` is called at the outage's beginning and end.
    """

    outbox: Outbox
    texts: Callable[[int], Texts]
    admins: Sequence[int]
    clock: Clock
    stores: Sequence[Callable[[bool], str]]
    todo: Callable[[Texts], str]
    on_change: Callable[[], Awaitable[None]] | None = None
    trouble: str = ""  # while the outage lasts: why nothing can be written
    _look_at: datetime | None = None
    _tell_at: datetime | None = None
    _worked_since: datetime | None = None

    @property
    def problem(self) -> str:
        """The trouble for /healthz, and what the operator has to do."""
        todo = HELD if "is locked" in self.trouble else "free disk space in DATA_DIR, or make it writable"
        return f"{self.trouble}: {todo}"

    def line(self, _: Texts) -> str:
        """Return the line for everybody; empty if there is no outage."""
        if not self.trouble:
            return ""
        told = _("The administrator has been told.") if self.admins else ""
        words = _("Nothing can be saved on our side at the moment, so nothing is marked.")
        return " ".join(filter(None, (words, told, self.todo(_))))

    async def watch(self) -> None:
        """Check each second until cancelled."""
        while is_wanted():
            try:
                await self.check()
            except Exception:  # a bug here must not end the bot
                log.exception("the check of the disk failed")
            await asyncio.sleep(BETWEEN_LOOKS)

    async def check(self) -> None:
        """Try what failed again; tell the admins of an outage once in some hours, and when it is over."""
        now, was_on = self.clock.now(), bool(self.trouble)
        if was_on and self._look_at is not None and now < self._look_at:
            return
        found = [trouble for store in self.stores if (trouble := await asyncio.to_thread(store, was_on))]
        self._look_at = now + BETWEEN_TRIES
        if found:
            self.trouble, self._worked_since = found[0], None
            if self._tell_at is None or now >= self._tell_at:
                log.error("nothing can be written: %s", self.trouble)
                self._tell_at = now + RETRY  # also while it is being sent
                if await self._tell(self._began):
                    self._tell_at = now + AGAIN
        elif self.trouble:  # else another check was faster
            self._worked_since = self._worked_since or now
            if now - self._worked_since >= OVER_AFTER:
                log.info("everything can be written again")
                self.trouble, self._tell_at = "", None
                await self._tell(lambda _: _("Everything can be saved again, and goes on."))
        if was_on != bool(self.trouble) and self.on_change is not None:
            await self.on_change()

    async def _tell(self, text: Callable[[Texts], str]) -> bool:
        sent = [await self.outbox.direct(Item(admin, "send", text(self.texts(admin)))) for admin in self.admins]
        return any(sent) or not sent

    def _began(self, _: Texts) -> str:
        words, reason = self.trouble.lower(), f"«{escape(self.trouble)}»"
        if any(word in words for word in ("full", "no space", "quota", "too large")):
            reason = _("the disk is full")
        elif "readonly" in words or "read-only" in words:
            reason = _("the disk is read-only")
        if "is locked" in words:
            return _(
                "Nothing can be saved in DATA_DIR: {reason}. No lesson is marked and no other message is sent. End the"
                " other program on the server that holds the database; then everything goes on by itself."
            ).format(reason=reason)
        return _(
            "Nothing can be saved in DATA_DIR: {reason}. No lesson is marked and no other message is sent. Free disk"
            " space there, or make it writable; then everything goes on by itself."
        ).format(reason=reason)
