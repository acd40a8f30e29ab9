"""Sends reports: writes the files first, then queues all messages at once."""

import asyncio
import functools
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from classroom.domain.sessions import end_of
from classroom.overview import SessionOverview, note_text
from classroom.reports.files import csv_file, rows, xlsx_file
from classroom.reports.picture import picture
from classroom.reports.texts import caption, report_texts
from classroom.services import Classroom
from telegram_app.outbox import NOTICE, Item

log = logging.getLogger(__name__)

ASKED_TWICE = timedelta(seconds=10)


@dataclass(frozen=True)
class ReportFiles:
    """The folder of the reports' files; the keeper deletes old ones."""

    folder: Path

    async def write(self, name: str, content: bytes) -> str:
        """Write a file (0600); return the name under which it is sent. Raises OSError."""

        def write() -> None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self.folder / name
            file.touch(mode=0o600)
            file.chmod(0o600)
            file.write_bytes(content)

        await asyncio.to_thread(write)
        return name

    def clean(self, before: datetime) -> int:
        """Delete files older than ``before``; return how many."""
        if not self.folder.is_dir():
            return 0
        old = [file for file in self.folder.iterdir() if file.stat().st_mtime < before.timestamp()]
        for file in old:
            file.unlink(missing_ok=True)
        return len(old)


class SessionReports:
    """Sends the reports of a session to its teacher."""

    def __init__(self, classroom: Classroom, files: ReportFiles) -> None:
        self._classroom = classroom
        self._files = files
        self._asked: dict[str, datetime] = {}  # by session: when a teacher last asked for its report

    async def send(self, overview: SessionOverview, *, final: bool, asked: bool = False) -> None:
        """Queue a report, once per end of a session; ``asked``: again, but once for two quick taps.

        Raises OSError, and queues nothing, where the files can't be written.
        """
        session, now = overview.session, self._classroom.clock.now()
        kind = "final" if final else "provisional"
        key = f"report:{session.id}:{kind}:{end_of(session).isoformat()}"
        claim = None if asked else (lambda: self._classroom.teacher.claims.claim(key, now))
        if asked:
            self._asked = {key: at for key, at in self._asked.items() if now - at < ASKED_TWICE}
            if self._asked.setdefault(session.id, now) != now:
                return
        items = await self._items(overview, final=final, at=now)
        if await self._classroom.teacher.outbox.put(*items, when=claim):
            log.info("session %s: %s report queued", session.id, kind)

    async def _items(self, overview: SessionOverview, *, final: bool, at: datetime) -> list[Item]:
        session, zone = overview.session, self._classroom.settings.zone
        _ = self._classroom.teacher.texts(session.teacher)
        teacher = await self._classroom.store.teacher(session.teacher)
        name = teacher.name if teacher is not None and teacher.name else "teacher"

        def draw() -> list[tuple[str, bytes]]:
            lines = rows(overview, zone, name, functools.partial(note_text, _))
            return [("png", picture(_, overview, zone)), ("csv", csv_file(lines)), ("xlsx", xlsx_file(lines))]

        kind = "final" if final else "provisional"
        file = f"attendance-{session.date}-{session.id}-{at.astimezone(zone):%H%M%S}-{kind}"
        names = {}
        for ending, content in await asyncio.to_thread(draw):
            names[ending] = await self._files.write(f"{file}.{ending}", content)
        texts = await asyncio.to_thread(report_texts, _, overview, final=final, zone=zone)
        return [
            *(Item(session.teacher, "send", text, lane=NOTICE) for text in texts),
            Item(session.teacher, "photo", caption(session), file=names["png"], lane=NOTICE),
            Item(session.teacher, "document", file=names["csv"], lane=NOTICE),
            Item(session.teacher, "document", file=names["xlsx"], lane=NOTICE),
        ]
