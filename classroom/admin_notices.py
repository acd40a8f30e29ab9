"""Tells the classroom's admins of troubles that otherwise only the log shows, each once a day.

A log record with ``extra={"trouble": ...}`` is such a trouble; ``problems`` beside it are those of the rosters.
"""

import asyncio
import functools
import hashlib
import logging
from collections.abc import Sequence
from typing import Any

from core.clock import Clock
from telegram_app.i18n import Texts
from telegram_app.lines import short
from telegram_app.outbox import NOTICE, Item
from telegram_app.side import Side


class AdminNotices(logging.Handler):
    """Queues messages in the teacher's bot; who starts it later gets that day's. Records may come from any thread."""

    def __init__(self, side: Side, admins: Sequence[int], clock: Clock) -> None:
        super().__init__(logging.WARNING)
        self._side, self._admins, self._clock = side, admins, clock
        self._loop = asyncio.get_running_loop()
        self._newest: dict[str, Any] = {}  # the newest record of each trouble; only today's count

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "trouble", "") and self._admins and not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._tell(record), self._loop)

    async def _tell(self, record: Any) -> None:
        now, problems = self._clock.now(), getattr(record, "problems", [])
        about = hashlib.sha256("\n".join(each.text() for each in problems).encode()).hexdigest()[:16]
        self._newest[f"trouble {record.trouble} {about} {now:%Y-%m-%d}"] = record
        for admin in self._admins:
            await self.tell(admin)

    async def tell(self, admin: int) -> None:
        """Tell an admin who has started the bot of today's troubles that they don't know yet."""
        now, _ = self._clock.now(), self._side.texts(admin)
        self._newest = {key: each for key, each in self._newest.items() if key.endswith(f"{now:%Y-%m-%d}")}
        for key, record in list(self._newest.items()) if admin in self._side.languages else ():
            detail = "\n".join(each.text(_) for each in getattr(record, "problems", [])) or record.getMessage()
            text = f"{_what(_, record.trouble)}\n{short(detail, 3000)}\n" + _("I tell you this once a day.")
            claim = functools.partial(self._side.claims.claim, f"{key} {admin}", now)
            await self._side.outbox.put(Item(admin, "send", text, lane=NOTICE), when=claim)


def _what(_: Texts, trouble: str) -> str:
    return {
        "lms": _("The LMS refuses what teachers send."),
        "certificate": _("The LMS's certificate is not accepted: nothing is written to it."),
        "rosters": _("The rosters have mistakes:"),
        "photo": _("An ID photo can't be used."),
        "photos": _("ID photos can't be read."),
        "faces": _("The face check does not work."),
        "fault": _("An unforeseen error; it is tried again, and the log has the details."),
        "token": _("Two programs use one bot's token, and each gets only a part of what people send."),
    }[trouble]
