"""Tells the classroom's admins of troubles that otherwise only the log shows, each once a day.

A log record with ``extra={"trouble": ...}`` is such a trouble; ``problems`` beside it are those of the rosters.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

from core.clock import Clock
from telegram_app.i18n import Texts
from telegram_app.lines import short
from telegram_app.outbox import NOTICE, Item
from telegram_app.side import Side

log = logging.getLogger(__name__)

LONGEST_DETAIL = 3000  # characters


class AdminNotices(logging.Handler):
    """Queues messages in the teacher's bot; who has not started it gets none."""

    def __init__(self, side: Side, admins: Sequence[int], clock: Clock) -> None:
        super().__init__(logging.WARNING)
        self._side, self._admins, self._clock = side, admins, clock
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Receive the classroom's log records while the block runs."""
        classroom = logging.getLogger("classroom")
        classroom.addHandler(self)
        try:
            yield
        finally:
            classroom.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "trouble", "") and self._admins:  # from any thread
            self._loop.call_soon_threadsafe(self._begin, record)

    def _begin(self, record: logging.LogRecord) -> None:
        task = self._loop.create_task(self._tell(record))
        self._tasks.add(task)
        task.add_done_callback(self._told)

    def _told(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("the classroom's admins could not be told", exc_info=task.exception())

    async def _tell(self, record: Any) -> None:
        now, problems = self._clock.now(), getattr(record, "problems", [])
        about = hashlib.sha256("\n".join(each.text() for each in problems).encode()).hexdigest()[:16]
        for admin in self._admins:
            _ = self._side.texts(admin)
            detail = "\n".join(each.text(_) for each in problems) or record.getMessage()
            what = [_what(_, record.trouble), short(detail, LONGEST_DETAIL), escape(_("I tell you this once a day."))]
            key = f"trouble {record.trouble} {about} {now:%Y-%m-%d} {admin}"
            item = Item(admin, "send", "\n".join(what), lane=NOTICE)
            await self._side.outbox.put(item, when=lambda key=key: self._side.claims.claim(key, now))  # type: ignore[misc]


def _what(_: Texts, trouble: str) -> str:
    return {
        "lms": _("The LMS refuses what teachers send."),
        "certificate": _("The LMS's certificate is not accepted: nothing is written to it."),
        "rosters": _("The rosters have mistakes:"),
        "photo": _("An ID photo can't be used."),
        "photos": _("ID photos can't be read."),
        "faces": _("The face check does not work."),
    }[trouble]
