"""Sends reports: the files are written first, then everything is queued at once."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from classroom.counted import Counted
from classroom.domain.sessions import end_of
from classroom.reports.files import csv_file, rows, xlsx_file
from classroom.reports.picture import picture
from classroom.reports.texts import caption, report_texts
from classroom.services import Classroom
from telegram_app.outbox import NOTICE, Item

log = logging.getLogger(__name__)

ASKED_TWICE = timedelta(seconds=10)


@dataclass(frozen=True)
class Files:
    """Where the reports' files lie until they are sent, and a while longer."""

    folder: Path

    async def write(self, name: str, content: bytes) -> str:
        """Write a file (0600); return the name by which it is sent. Raises OSError."""

        def write() -> None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self.folder / name
            file.touch(mode=0o600)
            file.chmod(0o600)
            file.write_bytes(content)

        await asyncio.to_thread(write)
        return name

    def clean(self, before: datetime) -> int:
        """Delete files from before a moment; return how many."""
        if not self.folder.is_dir():
            return 0
        old = [file for file in self.folder.iterdir() if file.stat().st_mtime < before.timestamp()]
        for file in old:
            file.unlink(missing_ok=True)
        return len(old)


class Reports:
    """The reports of sessions, each to its teacher."""

    def __init__(self, room: Classroom, files: Files) -> None:
        """Take what the bots work with, and where files go."""
        self._room = room
        self._files = files
        self._asked: dict[str, datetime] = {}  # by session: when its report was asked for last

    async def send(self, found: Counted, *, final: bool, asked: bool = False) -> None:
        """Queue a report, once for each end of a session (the claim and the messages are one transaction).

        ``asked``: the teacher wants it again; two taps are one wish. Raises OSError where the files can't be written;
        nothing is queued then.
        """
        session, now = found.session, self._room.clock.now()
        kind = "final" if final else "provisional"
        key = f"report:{session.id}:{kind}:{end_of(session).isoformat()}"
        claim = None if asked else (lambda: self._room.teacher.claims.claim(key, now))
        if asked:
            self._asked = {key: at for key, at in self._asked.items() if now - at < ASKED_TWICE}
            if self._asked.setdefault(session.id, now) != now:
                return
        items = await self._items(found, final=final, at=now)
        if await self._room.teacher.outbox.put(*items, when=claim):
            log.info("session %s: the %s report goes out", session.id, kind)

    async def _items(self, found: Counted, *, final: bool, at: datetime) -> list[Item]:
        session, zone = found.session, self._room.settings.zone
        _ = self._room.teacher.texts(session.teacher)

        def draw() -> list[tuple[str, bytes]]:
            lines = rows(found)
            return [
                ("png", picture(_, found, zone)),
                ("csv", csv_file(lines, zone)),
                ("xlsx", xlsx_file(lines, zone)),
            ]

        kind = "final" if final else "provisional"
        name = f"attendance-{session.date}-{session.id}-{at.astimezone(zone):%H%M%S}-{kind}"
        names = {}
        for ending, content in await asyncio.to_thread(draw):
            names[ending] = await self._files.write(f"{name}.{ending}", content)
        texts = await asyncio.to_thread(report_texts, _, found, final=final, zone=zone)
        return [
            *(Item(session.teacher, "send", text, lane=NOTICE) for text in texts),
            Item(session.teacher, "photo", caption(session), file=names["png"], lane=NOTICE),
            Item(session.teacher, "document", file=names["csv"], lane=NOTICE),
            Item(session.teacher, "document", file=names["xlsx"], lane=NOTICE),
        ]
