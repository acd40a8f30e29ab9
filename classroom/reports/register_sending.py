"""Makes registers and sends their files, one register at a time and off the event loop."""

import asyncio
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from classroom.domain.sorting import name_key
from classroom.overview import SessionOverview, stored_overviews
from classroom.reports.names import register_stem
from classroom.reports.pdf import pdf_file
from classroom.reports.register import Register, register_table
from classroom.reports.sending import ReportFiles
from classroom.reports.tables import csv_file
from classroom.reports.workbook import xlsx_file
from classroom.services import Classroom
from telegram_app.i18n import Texts
from telegram_app.lines import short
from telegram_app.outbox import Item

READ_AT_ONCE = timedelta(days=1)  # so that a long register never needs all marks in memory


@dataclass(frozen=True)
class Choice:
    """What a register is about: a teacher (None: all), a subject, a batch ("": all), and the days."""

    teacher: int | None
    subject: str
    batch: str
    since: date
    until: date


@dataclass(eq=False)
class Registers:
    """Makes registers of the lessons in the store and queues their files."""

    _classroom: Classroom
    _files: ReportFiles
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, person: int, choice: Choice) -> bool:
        """Queue a register's files; False: there is no lesson on these days. Raises TooLarge, OSError."""
        _, now = self._classroom.teacher.texts(person), self._classroom.clock.now()
        async with self._making:
            register = await self.read(choice)
            if not register.lessons:
                return False
            teachers = ", ".join(await self.names({each.teacher for each in register.lessons}))
            files = await asyncio.to_thread(self._make, _, person, choice, register, teachers, now)
        parts = (choice.subject, choice.batch, f"{choice.since:%d.%m.%Y}\u2013{choice.until:%d.%m.%Y}")
        text = ", ".join(short(each, 200) for each in parts if each)
        await self._classroom.teacher.outbox.put(Item(person, "album", f"{_('Register')}: {text}", files=files))
        return True

    async def read(self, choice: Choice) -> Register:
        """Return a register, read some days at a time. Raises TooLarge."""
        store, register, begin = self._classroom.store, Register(choice.batch), choice.since
        while begin <= choice.until:
            end = min(begin + READ_AT_ONCE, choice.until)
            found = await store.register(choice.teacher, begin, end, choice.subject)
            await asyncio.to_thread(_add, register, await stored_overviews(store, found))
            begin = end + timedelta(days=1)
        return register

    async def names(self, teachers: set[int]) -> list[str]:
        """Return the names of teachers; of one who has signed out only the number is known."""
        found = [(await self._classroom.store.teacher(each), each) for each in teachers]
        return sorted((known.name if known and known.name else str(number) for known, number in found), key=name_key)

    def _make(
        self, _: Texts, person: int, choice: Choice, register: Register, teachers: str, now: datetime
    ) -> tuple[str, ...]:
        zone = self._classroom.settings.zone
        table = register_table(_, register, choice.subject, teachers, (choice.since, choice.until), now, zone)
        stem = register_stem(_("Register"), choice.subject, choice.batch, str(choice.since), str(choice.until))
        folder = f"register-{person}-{now.astimezone(zone):%Y%m%d%H%M%S}"
        made = {"xlsx": xlsx_file(table), "pdf": pdf_file(table), "csv": csv_file(table, _.language)}
        return tuple(self._files.write(folder, f"{stem}.{ending}", content) for ending, content in made.items())


def _add(register: Register, lessons: list[SessionOverview]) -> None:
    for each in lessons:
        register.add(each)
