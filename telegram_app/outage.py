"""A full or read-only disk: the admins are told directly, since the outbox can't store their message."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

from core.clock import Clock
from core.tasks import is_wanted
from telegram_app.i18n import Texts
from telegram_app.outbox import Item, Outbox

log = logging.getLogger(__name__)

BETWEEN_LOOKS = 1.0  # seconds
BETWEEN_TRIES = timedelta(seconds=10)  # during an outage: each writes something
AGAIN, RETRY = timedelta(hours=6), timedelta(minutes=1)  # between two messages; after one that was not delivered
OVER_AFTER = timedelta(minutes=1)  # for which writes have worked


async def _nothing() -> None: ...


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
    zone: ZoneInfo
    stores: Sequence[Callable[[bool], str]]
    todo: Callable[[Texts], str]
    on_change: Callable[[], Awaitable[None]] = _nothing
    trouble: str = ""  # while the outage lasts: why nothing can be written
    _look_at: datetime | None = None
    _since: datetime | None = None
    _worked_since: datetime | None = None
    _due: datetime | None = None  # the next message to the admins

    def line(self, _: Texts) -> str:
        """Return the line for everybody; empty if there is no outage."""
        if not self.trouble:
            return ""
        words = [_("Nothing can be saved on our side at the moment, so nothing is marked.")]
        words += [_("The administrator has been told.")] if self.admins else []
        return " ".join([*words, self.todo(_)])

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
        now, always = self.clock.now(), self._since is not None
        if self._look_at is not None and now < self._look_at:
            return
        found = [trouble for store in self.stores if (trouble := await asyncio.to_thread(store, always))]
        self._look_at = now + BETWEEN_TRIES if found or always else None
        if found:
            self._worked_since, is_new, self.trouble = None, self._since is None, found[0]
            self._since = self._since or now
            if self._due is None or now >= self._due:
                log.error("nothing can be written: %s", self.trouble)
                self._due = now + (AGAIN if await self._tell(self._began) else RETRY)
            if is_new:
                await self.on_change()
        elif self._since is not None:
            self._worked_since = self._worked_since or now
            if now - self._worked_since >= OVER_AFTER:
                log.info("everything can be written again")
                await self._tell(self._ended)
                self.trouble, self._since, self._worked_since, self._due = "", None, None, None
                await self.on_change()

    async def _tell(self, text: Callable[[Texts], str]) -> bool:
        sent = [await self.outbox.direct(Item(admin, "send", text(self.texts(admin)))) for admin in self.admins]
        return any(sent) or not sent

    def _began(self, _: Texts) -> str:
        return _(
            "Nothing can be saved in DATA_DIR: {reason}. No lesson is marked and no other message is sent. Free disk"
            " space there, or make it writable; then everything goes on by itself."
        ).format(reason=_reason(_, self.trouble))

    def _ended(self, _: Texts) -> str:
        since = (self._since or self.clock.now()).astimezone(self.zone).strftime("%d.%m. %H:%M")
        return _("Everything can be saved again, and goes on. It could not since {time}.").format(time=since)


def _reason(_: Texts, trouble: str) -> str:
    words = trouble.lower()
    if any(word in words for word in ("full", "no space", "quota", "too large")):
        return _("the disk is full")
    if "readonly" in words or "read-only" in words:
        return _("the disk is read-only")
    return f"«{escape(trouble)}»"
