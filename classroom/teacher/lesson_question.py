"""Which lesson of the day is meant, where a batch has one already, and what the LMS gets of another one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from typing import Any

from classroom.domain.sessions import LmsRecord, Session, Sheet, Teacher, folded
from classroom.domain.shared_records import Lesson
from classroom.domain.sorting import name_key
from classroom.overview import day_of, lesson_name
from classroom.services import Classroom
from telegram_app.i18n import Texts
from telegram_app.lines import ends, short
from telegram_app.outbox import Button, Keyboard

LESSON_NAME = "lesson name"  # name of the conversation step
LONGEST_LESSON = 32  # characters
BATCHES_SHOWN, LESSONS_SHOWN = 5, 8


@dataclass(frozen=True)
class Question:
    """A question about the lesson; ``takes_text``: the answer may be typed."""

    text: str
    keyboard: Keyboard
    data: dict[str, Any]
    back: str = ""  # the data of the button that leads back; empty: to the question before
    takes_text: bool = False


def cleared(data: dict[str, Any]) -> dict[str, Any]:
    """Return a step's data without what was answered about the lesson."""
    return {name: each for name, each in data.items() if name not in ("lesson", "lms", "naming", "names")}


class LessonQuestion:
    """Asks what is not clear yet of a lesson's name and its record; the answers are kept in the step's data.

    These are "lesson", the name, and "lms", the ``LmsRecord`` that the teacher has chosen.
    """

    def __init__(self, classroom: Classroom) -> None:
        self._classroom = classroom
        self._side = classroom.teacher

    async def needed(self, teacher: Teacher, session: Session, data: dict[str, Any]) -> Question | None:
        """Return the next question about a lesson that is to be opened; None: it can be opened."""
        others = await self._others(session)
        if not others:
            return None
        _ = self._side.texts(teacher.telegram_id)
        taken = {folded(other.lesson) for other, _session in others}
        if folded(session.lesson) in taken or "lesson" not in data:
            naming = data.get("naming", False) and "lesson" not in data
            return self._names(_, data, taken) if naming else await self._there(_, teacher, session, others, data)
        if "lms" in data or not self._classroom.lms.one_record_a_day:
            return None
        kind = await self._classroom.lms.record_kind(teacher)
        batches = sorted({other.batch for other, _session in others if _is_of_record(other, kind)}, key=name_key)
        if not batches:
            return None
        return await self._record(_, teacher, session, batches, data)

    def answered(self, data: dict[str, Any], kind: str, at: int) -> dict[str, Any]:
        """Return the data after a tap: "lesson" leads to the first question, "another" to the names."""
        if kind == "name" and at < len(data.get("names", [])):
            return data | {"lesson": data["names"][at]}
        if kind == "lms" and "lesson" in data:
            return data | {"lms": (LmsRecord.SHARED if at == 0 else LmsRecord.NONE).value}
        return cleared(data) | {"naming": kind == "another"}

    def typed(self, teacher: Teacher, data: dict[str, Any], text: str) -> tuple[dict[str, Any], str]:
        """Return the data after a typed name, and what is wrong with it; empty: nothing."""
        name, _ = " ".join(text.split()), self._side.texts(teacher.telegram_id)
        if not folded(name) or len(name) > LONGEST_LESSON:
            return data, _("A lesson's name has 1 to {number} characters.").format(number=LONGEST_LESSON)
        return data | {"lesson": name}, ""

    async def with_record(self, sheets: Sequence[Sheet]) -> list[Sheet]:
        """Return the sheets of a new session; where a batch has no other lesson in the LMS its record is its own."""
        teacher, found = await self._classroom.store.teacher(sheets[0].teacher), []
        kind = await self._classroom.lms.record_kind(teacher) if teacher is not None else ""
        for sheet in sheets:
            others = [other for other, _session in await self._opened(sheet) if _is_of_record(other, kind)]
            same = "" if any(not other.lms_kind for other in others) else kind  # "": one of an older version
            found.append(replace(sheet, lms_kind=same, lms_record=sheet.lms_record if others else LmsRecord.OWN))
        return found

    async def share(self, sheets: Sequence[Sheet]) -> None:
        """Record with the other lessons of the day that their records are shared now."""
        for sheet in sheets:
            others = await self._opened(sheet) if sheet.lms_record is LmsRecord.SHARED else []
            for other in (each for each, _session in others if each.lms_kind == sheet.lms_kind):
                key = {"session": other.session, "batch": other.batch, "lms_record": LmsRecord.OWN}
                await self._classroom.store.update(Sheet, {"lms_record": LmsRecord.SHARED}, **key)

    async def _opened(self, sheet: Sheet) -> list[Lesson]:
        """Return the other lessons of a batch on that day, except those that were cancelled without a record."""
        others = await self._classroom.store.other_lessons(sheet)
        return [each for each in others if each[0].in_lms or not each[1].cancelled]

    async def _others(self, session: Session) -> list[Lesson]:
        empty = [
            Sheet(session.id, session.campus, batch, session.subject, session.date, session.teacher, ())
            for batch in session.batches
        ]
        return [each for sheet in empty for each in await self._opened(sheet)]

    async def _there(
        self, _: Texts, teacher: Teacher, session: Session, others: list[Lesson], data: dict[str, Any]
    ) -> Question:
        """Return which batches have a lesson already, when and whose, with ways to it and to another one."""
        text = _("{batch} has a lesson in {subject} today: {lessons}.")
        if session.date != self._classroom.today.isoformat():
            text = _("{batch} has a lesson in {subject} on {date}: {lessons}.")
        lines, sessions = [], {each.id: each for _sheet, each in others}
        if "lesson" in data:
            lines.append(_("There is this lesson already: {lesson}.").format(lesson=escape(data["lesson"])))
        for batch in list(dict.fromkeys(sheet.batch for sheet, _session in others))[:BATCHES_SHOWN]:
            its = [each for sheet, each in others if sheet.batch == batch]
            named = ", ".join(escape(self._named(_, each)) for each in its[:LESSONS_SHOWN])
            subject, date = short(session.subject, 100), day_of(session)
            lines.append(text.format(batch=ends(batch, 100), subject=subject, date=date, lessons=named))
        own = [each for each in sessions.values() if each.teacher == teacher.telegram_id][:LESSONS_SHOWN]
        keyboard: Keyboard = [[Button(_("Open It"), f"board:{own[0].id}")]] if len(own) == 1 else []
        if len(own) > 1:
            label = _("Open It: {lesson}")
            keyboard = [[Button(label.format(lesson=self._named(_, each)), f"board:{each.id}")] for each in own]
        for each in [each for each in sessions.values() if each.teacher != teacher.telegram_id][:LESSONS_SHOWN]:
            other = await self._classroom.store.teacher(each.teacher)
            line = _("Another teacher has opened it.") + (f" {short(other.name, 100)}" if other is not None else "")
            lines.append(f"{escape(self._named(_, each))}: {line}" if len(sessions) > 1 else line)
        keyboard.append([Button(_("Another Lesson"), "open:another")])
        keyboard.append([Button(_("Another Day") if "day" in data else _("Without Phones"), "byhand:ask")])
        return Question("\n".join(lines), keyboard, cleared(data))

    def _named(self, _: Texts, session: Session) -> str:
        """Return when a lesson was opened, where that was on its day, and its name; not escaped."""
        at = session.opened_at.astimezone(self._classroom.settings.zone)
        time = f"{at:%H:%M}" if at.date() == datetime.fromisoformat(session.date).date() else ""
        parts = [time, session.lesson if session.lesson != time else "", _("cancelled") if session.cancelled else ""]
        return " ".join(each for each in parts if each) or lesson_name(session, 40)

    def _names(self, _: Texts, data: dict[str, Any], taken: set[str]) -> Question:
        now = self._classroom.clock.now().astimezone(self._classroom.settings.zone)
        times = [] if "day" in data else [f"{now:%H:%M}"]  # taken by hand: perhaps on another day
        names = [each for each in (_("Lecture"), _("Lab"), _("Seminar"), *times) if folded(each) not in taken]
        keyboard: Keyboard = [[Button(name, f"open:name:{at}") for at, name in enumerate(names)]]
        text = _("Which lesson is it? Tap a name, or send one.")
        return Question(text, keyboard, data | {"names": names}, back="open:lesson", takes_text=True)

    async def _record(
        self, _: Texts, teacher: Teacher, session: Session, batches: list[str], data: dict[str, Any]
    ) -> Question:
        one, none = _("One Record"), _("Do Not Send")
        text = _(
            "The LMS has one record a day of {batches} in {subject}.\n"
            "{one}: it has everybody as present who is in any of the day's lessons.\n"
            "{none}: the marks of this lesson are kept here and in its report, and not sent to the LMS."
        )
        shown = ", ".join(ends(each, 100) for each in batches[:BATCHES_SHOWN])
        text = text.format(batches=shown, subject=short(session.subject, 100), one=one, none=none)
        if not await self._classroom.lms.can_update(teacher):
            text += "\n" + _("This LMS can't change a record that it has: what differs is told, to be changed by hand.")
        return Question(text, [[Button(one, "open:lms:0"), Button(none, "open:lms:1")]], data, back="open:another")


def _is_of_record(sheet: Sheet, kind: str) -> bool:
    """Whether a sheet is in the record that teachers of this kind write."""
    return sheet.is_for_lms and sheet.lms_kind in ("", kind)
