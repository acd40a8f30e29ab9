"""Sends reports: writes the files first, then queues all messages at once."""

import asyncio
import functools
import logging
import zlib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from classroom.domain.sessions import end_of
from classroom.overview import SessionOverview, note_text, stored_overviews
from classroom.reports.names import lesson_stem
from classroom.reports.pdf import pdf_file
from classroom.reports.picture import picture
from classroom.reports.sheet import sheet_table
from classroom.reports.tables import Column, Table, csv_file
from classroom.reports.texts import WORST_SHOWN, caption, history_texts, low_attendance, report_lines, report_texts
from classroom.reports.workbook import xlsx_file
from classroom.services import Classroom
from core.json_file import delete_older, replace_file
from telegram_app.i18n import Texts
from telegram_app.lines import LONGEST_CAPTION, split
from telegram_app.outbox import NOTICE, Item

log = logging.getLogger(__name__)

ASKED_TWICE = timedelta(seconds=10)


def kept_since(classroom: Classroom) -> date:
    """Return the day since which lessons are kept (RETENTION_DAYS)."""
    kept = classroom.clock.now() - timedelta(days=classroom.settings.retention_days)
    return kept.astimezone(classroom.settings.zone).date()


@dataclass(frozen=True)
class ReportFiles:
    """The folder of the reports' files; the keeper deletes old ones."""

    folder: Path

    def write(self, folder: str, name: str, content: bytes) -> str:
        """Write a file (0600) into a folder of its own, so that people get it by this name; return its reference.

        Raises OSError. Blocks.
        """
        (self.folder / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(self.folder / folder / name, content)
        return f"{folder}/{name}"

    def clean(self, before: datetime) -> int:
        return delete_older(self.folder, before)


@dataclass(eq=False)
class SessionReports:
    """Sends the reports of a session to its teacher."""

    _classroom: Classroom
    files: ReportFiles
    _asked: dict[str, datetime] = field(default_factory=dict)  # by session: when a teacher last asked for its report

    async def send(self, overview: SessionOverview, *, final: bool, asked: bool = False) -> None:
        """Queue a report, once per end of a session; ``asked``: again, but once for two quick taps.

        A final report that would repeat the first one is one line that does not ring. Raises OSError, and queues
        nothing, where the files can't be written.
        """
        session, now, claims = overview.session, self._classroom.clock.now(), self._classroom.teacher.claims
        _, zone = self._classroom.teacher.texts(session.teacher), self._classroom.settings.zone
        kind = "final" if final else "provisional"
        key = f"report:{session.id}:{kind}:{end_of(session).isoformat()}"
        if asked:
            self._asked = {key: at for key, at in self._asked.items() if now - at < ASKED_TWICE}
            if self._asked.setdefault(session.id, now) != now:
                return
        told = zlib.crc32("\n".join(report_lines(_, overview, zone)).encode())
        content = f"{key.replace(kind, 'content')}:{told}"
        since = await asyncio.to_thread(claims.at, content) if final and not asked else None
        if since is not None:
            texts = report_texts(_, overview, final=final, zone=zone, since=f"{since.astimezone(zone):%H:%M}")
            items = [Item(session.teacher, "send", text, lane=NOTICE, quiet=True) for text in texts]
        else:
            items = await self._items(_, overview, final=final, asked=asked, at=now)

        def claim() -> bool:
            is_first = claims.claim(key, now)
            if is_first and not final:
                claims.claim(content, now)
            return is_first

        if await self._classroom.teacher.outbox.put(*items, when=None if asked else claim):
            log.info("session %s: %s report queued", session.id, kind)

    async def send_history(self, person: int) -> None:
        """Send a teacher's history: one message, and where many students are below the limit a file of them."""
        _, now, store = self._classroom.teacher.texts(person), self._classroom.clock.now(), self._classroom.store
        until = self._classroom.today
        found = await store.register(person, kept_since(self._classroom), until)
        history = await stored_overviews(store, found[::-1])

        def draw() -> tuple[list[str], bytes]:
            low = low_attendance(history)
            titles = (_("Batch"), _("Student ID"), _("Name"), _("Subject"), _("Attended, %"))
            lines = [(batch, student, name, subject, percent) for percent, name, student, subject, batch in low]
            table = Table("", (), [Column(each) for each in titles], lines)
            return history_texts(_, history, low), csv_file(table, _.language) if len(low) > WORST_SHOWN else b""

        texts, content = await asyncio.to_thread(draw)
        items = [Item(person, "send", text, quiet=number > 0) for number, text in enumerate(texts)]
        if content:
            folder, name = f"low-{person}-{now:%Y%m%d%H%M%S}", f"low-attendance_{until}.csv"
            file = await asyncio.to_thread(self.files.write, folder, name, content)
            items.append(Item(person, "album", files=(file,), quiet=True))
        await self._classroom.teacher.outbox.put(*items)

    async def _items(
        self, _: Texts, overview: SessionOverview, *, final: bool, asked: bool, at: datetime
    ) -> list[Item]:
        """Return the report as an album of its files, the text below them, or above where it is too long for that.

        Few files, so that a day has few messages: the CSV and the picture, which is in the PDF, come when asked for.
        """
        session, person, zone = overview.session, overview.session.teacher, self._classroom.settings.zone
        teacher = await self._classroom.store.teacher(person)
        by = teacher.name if teacher is not None and teacher.name else _("teacher")
        name = lesson_stem(session.subject, session.batches, session.date, session.lesson)
        folder = f"{session.id}-{at.astimezone(zone):%H%M%S}-{'final' if final else 'provisional'}"

        def make() -> tuple[str, ...]:
            table = sheet_table(_, overview, zone, by, at, functools.partial(note_text, _))
            drawn = picture(_, overview, zone)
            made = {"xlsx": xlsx_file(table), "pdf": pdf_file(table, drawn)}
            made |= {"csv": csv_file(table, _.language), "png": drawn} if asked else {}
            return tuple(self.files.write(folder, f"{name}.{ending}", content) for ending, content in made.items())

        files = await asyncio.to_thread(make)
        texts = await asyncio.to_thread(report_texts, _, overview, final=final, zone=zone)
        if len(split("\n".join(texts).splitlines(), LONGEST_CAPTION)) == 1:
            return [Item(person, "album", texts[0], lane=NOTICE, files=files)]
        above = [Item(person, "send", text, lane=NOTICE, quiet=number > 0) for number, text in enumerate(texts)]
        return [*above, Item(person, "album", caption(session), lane=NOTICE, files=files, quiet=True)]
