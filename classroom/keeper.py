"""What happens by time: codes rotate, sessions end, boards live, reports go out, what is over is cleaned away.

All of it is read from the store at each look, so that a restart changes nothing but the moment.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from classroom.board import Boards, Counted, counted
from classroom.reports import csv_text, report_texts, rows, xlsx_file
from classroom.services import Classroom
from classroom.sessions import OVERLAP, Session, Step, code_ends, new_code, report_due
from classroom.store import StoreError
from ledger import LedgerError
from telegram_app.outgoing import NOTICE, Item

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds
CLEAN_EVERY = timedelta(minutes=5)
FINAL_ANYWAY = timedelta(hours=12)  # after a session's end; who has not been confirmed by then is absent
CODES_TRIED = 20


@dataclass(frozen=True)
class Files:
    """Where the reports' files lie until they are sent, and a while longer."""

    folder: Path

    async def write(self, name: str, content: bytes) -> str:
        """Write a file (0600); return the name by which it is sent."""

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


class Keeper:
    """Looks at every unfinished session, once a second."""

    def __init__(
        self, room: Classroom, boards: Boards, files: Files, catch_up: Callable[[Session], Awaitable[None]]
    ) -> None:
        """Take what the bots work with, the boards, where files go, and what tells students what they have not heard.

        Students are told as soon as something is decided; ``catch_up`` is for what was cut short, by a crash or by a
        failing ledger: at the first look at a session, and before each report.
        """
        self._catch_up = catch_up
        self._caught_up: set[str] = set()
        self._room = room
        self._boards = boards
        self._files = files
        self._rotated: dict[str, datetime] = {}  # by session: when its newest code was made
        self._cleaned: datetime | None = None

    async def run(self) -> None:
        """Look again and again, until cancelled. A store that fails is asked again at the next look."""
        while True:
            try:
                await self.look()
            except (StoreError, LedgerError) as error:
                log.warning("the classroom's keeper: %s; looking again", error)
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Do what is due now."""
        now = self._room.clock.now()
        for session in await self._room.store.unfinished():
            await self._look_at(session, now)
        if self._cleaned is None or now - self._cleaned >= CLEAN_EVERY:
            self._cleaned = now
            await self._clean(now)

    async def _look_at(self, session: Session, now: datetime) -> None:
        if session.id not in self._caught_up:
            await self._catch_up(session)
            self._caught_up.add(session.id)
        if session.ended_at is None and now > session.closes_at:
            ended = await self._room.store.end_session(session.id, session.closes_at)
            if ended is not None:
                log.info("session %s: ended", session.id)
                self._room.wake_sync(session.id, at_once=True)
                await self._boards.show(ended)
            return
        if session.ended_at is None:
            await self._rotate(session, now)
            await self._boards.refresh(session)
            return
        await self._boards.refresh(session)
        if now >= report_due(session):
            await self._report(session, now)

    async def _rotate(self, session: Session, now: datetime) -> None:
        if session.rotate_seconds == 0:
            return
        since = self._rotated.setdefault(session.id, session.opened_at)
        if now - since < timedelta(seconds=session.rotate_seconds):
            return
        for _ in range(CODES_TRIED):
            code = new_code(self._room.below)
            if await self._room.store.add_code(session.id, code, code_ends(session, now), now + OVERLAP, now):
                self._rotated[session.id] = now
                return

    async def _report(self, session: Session, now: datetime) -> None:
        found = await counted(self._room, session)
        final = not self._is_open(found, now)
        if final or session.reported_at is None:
            await self._catch_up(session)
        if final:
            await self._send(found, now, final=True)
            await self._room.store.set_reported(session.id, now, final=False)
            await self._room.store.set_reported(session.id, now, final=True)
            self._boards.forget(session.id)
            self._rotated.pop(session.id, None)
            self._caught_up.discard(session.id)
        elif session.reported_at is None:
            await self._send(found, now, final=False)
            await self._room.store.set_reported(session.id, now, final=False)

    def _is_open(self, found: Counted, now: datetime) -> bool:
        """Say whether something may still change by itself: checks, reviews, or the LMS."""
        ended = found.session.ended_at or found.session.closes_at
        if now - ended > FINAL_ANYWAY:
            return False
        grace = timedelta(seconds=self._room.settings.checkin_grace_seconds)
        in_time = any(now <= max(ended, each.code_at + grace) for each in found.waiting(Step.PLACE))
        waits = bool(found.waiting(Step.CONFIRM, Step.REVIEW))
        unsent = any(sheet.acked_version < sheet.version or sheet.acked_version < 0 for sheet in found.sheets)
        return in_time or waits or unsent

    async def _send(self, found: Counted, now: datetime, *, final: bool) -> None:
        """Queue a report, once for each end of a session: the claim and the messages are one transaction."""
        session, zone = found.session, self._room.settings.zone
        _ = self._room.teacher.texts(session.teacher)
        person, kind = session.teacher, "final" if final else "provisional"
        name = f"attendance-{session.date}-{session.id}-{kind}"
        lines = rows(found)
        csv_file = await self._files.write(f"{name}.csv", csv_text(lines, zone).encode())
        xlsx = await self._files.write(f"{name}.xlsx", await asyncio.to_thread(xlsx_file, lines, zone))
        items = [Item(person, "send", text, lane=NOTICE) for text in report_texts(_, found, final=final, zone=zone)] + [
            Item(person, "document", file=file, lane=NOTICE) for file in (csv_file, xlsx)
        ]
        key = f"report:{session.id}:{kind}:{(session.ended_at or session.closes_at).isoformat()}"
        if await self._room.teacher.outbox.put(*items, when=lambda: self._room.teacher.told.claim(key, now)):
            log.info("session %s: the %s report goes out", session.id, kind)

    async def _clean(self, now: datetime) -> None:
        before = now - timedelta(days=self._room.settings.retention_days)
        gone = await self._room.store.clean(now, before)
        files = await asyncio.to_thread(self._files.clean, now - timedelta(days=7))
        told = 0
        for side in (self._room.teacher, self._room.student):
            told += await asyncio.to_thread(side.told.clean, before)
        if gone or files or told:
            log.info("classroom cleaned: %d rows, %d files, %d claims", gone, files, told)
