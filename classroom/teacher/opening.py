"""Opening a session: batches, the subject that they share, the place, and the code."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from classroom.domain.by_hand import LASTS
from classroom.domain.sessions import (
    Course,
    Enrolled,
    LmsRecord,
    Place,
    Session,
    Sheet,
    Teacher,
    code_ends,
    new_code,
)
from classroom.domain.sorting import in_order, name_key
from classroom.lms import LmsUnavailable
from classroom.overview import title
from classroom.services import PLACE_SLOT, Classroom
from classroom.store import SessionExists
from classroom.teacher.choices import LONGEST_NAME, ON_A_PAGE, choices_of
from classroom.teacher.lesson_question import LESSON_NAME, LessonQuestion, Question, cleared
from classroom.teacher.place import PLACE, PlaceQuestion
from telegram_app.lines import ends, short
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.side import SCREEN, below

log = logging.getLogger(__name__)

CHOOSING, ROOM_NAME = "choosing", "room name"  # names of conversation steps
CHOSEN_SHOWN = 5  # so that a screen fits into one message, also with letters that count twice
CODES_TRIED = 20
OF_LESSON = ("lesson", "another", "name", "lms", "typed")  # kinds of taps
BEGUN = ("courses", "chosen", "fresh")  # what the step's data has from the beginning


class Opening:
    """The conversation from "Take Attendance" to an open session. The choices are kept in the step's data."""

    def __init__(self, classroom: Classroom, show_class: Callable[[Session], Awaitable[None]]) -> None:
        self._classroom = classroom
        self._side = classroom.teacher
        self._places = PlaceQuestion(classroom)
        self._lessons = LessonQuestion(classroom)
        self._show_class = show_class  # of a lesson without phones that was opened

    async def begin(self, teacher: Teacher, *, reload: bool = False) -> None:
        """Show the batches; the only batch, and the only subject, are chosen by themselves."""
        person = teacher.telegram_id
        _ = self._side.texts(person)
        courses = await self._classroom.lms.courses(teacher, reload=reload)
        if not courses:
            text = _("You have no batch to take attendance of. Speak to whoever keeps the rosters.")
            await self._show(person, text, [[Button(_("Reload"), "open:reload"), Button(_("Back"), "menu")]])
            return
        data = {"courses": [[each.batch, each.subject] for each in courses], "chosen": [], "fresh": reload}
        if len(batches := _batches(data)) == 1:
            await self._choose_subject(teacher, data | {"chosen": batches})
        else:
            await self._show_choice(person, data, 0)

    async def tapped(self, teacher: Teacher, what: str) -> None:
        """Handle a tap while choosing: "batches", "next", "reload", or with a number b, u, s or p.

        These add a batch, remove one, choose a subject, or turn to a page; what else comes is about the lesson's name
        and its record. A second tap changes nothing.
        """
        person = teacher.telegram_id
        step = await self._side.step(person)
        kind, _colon, number = what.partition(":")
        if step is not None and step.name == PLACE and kind != "reload":
            return  # a second tap on Next
        if kind in OF_LESSON and (step is None or step.name not in (CHOOSING, LESSON_NAME)):
            return  # a second tap on what has opened the lesson
        if kind == "reload" or step is None or step.name not in (CHOOSING, LESSON_NAME):
            await self.begin(teacher, reload=kind == "reload")
            return
        data = step.data
        at = int(number) if number.isdecimal() else 0
        batches, subjects = _batches(data), _shared_subjects(data)
        if kind in OF_LESSON:
            if "subject" in data and kind != "typed":
                await self.check(teacher, self._lessons.answered(data, kind, at))
            elif step.name == LESSON_NAME:
                await self._typed(teacher, data, number)
            return
        data = cleared(data)
        if kind == "next" and data["chosen"]:
            await self._choose_subject(teacher, data)
            return
        if kind == "s" and "subjects" in data and at < len(subjects):
            await self.check(teacher, data | {"subject": subjects[at]})
            return
        if kind == "batches":
            data = {name: data[name] for name in BEGUN}
        elif kind in ("b", "u") and "subjects" not in data and at < len(batches):
            chosen = set(data["chosen"]) - {batches[at]} | ({batches[at]} if kind == "b" else set())
            data["chosen"] = [each for each in batches if each in chosen]
        await self._show_choice(person, data, at if kind == "p" else at // ON_A_PAGE)

    async def _choose_subject(self, teacher: Teacher, data: dict[str, Any]) -> None:
        """Show the subjects that all chosen batches have; the only one is chosen by itself."""
        data = {name: value for name, value in data.items() if name != "day"}
        subjects = _shared_subjects(data)
        if len(subjects) == 1:
            await self.check(teacher, data | {"subject": subjects[0]})
        else:
            await self._show_choice(teacher.telegram_id, data | {"subjects": True}, 0)

    async def _show_choice(self, person: int, data: dict[str, Any], page: int) -> None:
        """Show the batches or, with "subjects" in the data, the subjects."""
        await self._classroom.set_step(self._side, person, CHOOSING, data)
        _, asks_subject, chosen = self._side.texts(person), "subjects" in data, data["chosen"]
        names = _shared_subjects(data) if asks_subject else _batches(data)
        listed = choices_of(names, page)
        keyboard: Keyboard = []
        for at, name, label in listed.shown:
            kind = "s" if asks_subject else "u" if name in chosen else "b"
            keyboard.append([Button(("\u2713 " if kind == "u" else "") + label, f"open:{kind}:{at}")])
        keyboard += listed.page.turns(_, "open:p")
        lines = list(listed.lines)
        what = _("Which batches? Tap one or several, then {button}.").format(button=_("Next"))
        if asks_subject:
            what = _("Which subject?") if names else _("These batches share no subject. Go back and leave some out.")
        lines.append(what)
        lines += [ends(batch, LONGEST_NAME) for batch in chosen[:CHOSEN_SHOWN]]
        if len(chosen) > CHOSEN_SHOWN:
            lines.append(_("and {number} more").format(number=len(chosen) - CHOSEN_SHOWN))
        is_chosen = chosen and not asks_subject
        last = Button(_("Next"), "open:next") if is_chosen else Button(_("Reload"), "open:reload")
        back = Button(_("Back"), "open:batches" if asks_subject and len(_batches(data)) > 1 else "menu")
        await self._show(person, "\n".join(lines), [*keyboard, [last, back]])

    async def check(self, teacher: Teacher, data: dict[str, Any]) -> None:
        """Ask for the place, unless it is clear already that the session can't be opened.

        With a "day" in the data it is a lesson without phones, and opened at once.
        """
        person = teacher.telegram_id
        _ = self._side.texts(person)
        back = "open:batches" if len(_batches(data)) > 1 else "menu"
        back = "open:next" if len(_shared_subjects(data)) > 1 else back
        session, wrong = self._session(teacher, data), ""
        if (question := await self._lessons.needed(teacher, session, data)) is not None:
            await self._ask(person, question, back)
            return
        with suppress(LmsUnavailable):  # tried again once the place is known
            wrong = self._without_students(person, await self._rosters(teacher, session, data))
            data = data | {"fresh": False}
        if wrong:
            await self._classroom.set_step(self._side, person, CHOOSING, data)
            # rosters are kept for some minutes
            keyboard = [[Button(_("Reload"), "open:reload")], [Button(_("Back"), back)]]
            await self._show(person, wrong, keyboard)
            return
        if session.without_phones:
            if (opened := await self.open(teacher, data, None)) is not None:
                await self._show_class(opened)
            return
        chosen = {name: data[name] for name in (*BEGUN, "subject", "lesson", "lms") if name in data}
        await self._places.ask(person, title(session), chosen | {"reload": back == "menu"})

    async def _ask(self, person: int, question: Question, back: str, *, anew: bool = False) -> None:
        """Ask which lesson is meant, or what the LMS gets of it; ``anew``: as a new message below."""
        step, _ = LESSON_NAME if question.takes_text else CHOOSING, self._side.texts(person)
        await self._classroom.set_step(self._side, person, step, question.data)
        keyboard = [*question.keyboard, [Button(_("Back"), question.back or back)]]
        edited = [Item(person, "edit", question.text, keyboard, slot=SCREEN)]
        await self._side.outbox.put(*(below(person, question.text, keyboard) if anew else edited))

    async def _typed(self, teacher: Teacher, data: dict[str, Any], text: str) -> None:
        """Handle a lesson's typed name: the next question comes below it."""
        person = teacher.telegram_id
        data, wrong = self._lessons.typed(teacher, data, text)
        session = self._session(teacher, data)
        if wrong and (question := await self._lessons.needed(teacher, session, data)) is not None:
            await self._ask(person, replace(question, text=f"{wrong}\n{question.text}"), "menu", anew=True)
            return
        await self._side.outbox.put(*below(person, title(session), []))
        await self.check(teacher, data)

    async def open(self, teacher: Teacher, data: dict[str, Any], place: Place | None) -> Session | None:
        """Open the session at a place, or without phones; None where that is refused."""
        person, now = teacher.telegram_id, self._classroom.clock.now()
        session = replace(self._session(teacher, data), place=place)
        sheets = await self._lessons.with_record(await self._rosters(teacher, session, data))
        wrong, question = self._without_students(person, sheets), None
        try:
            # others may have opened lessons since
            question = await self._lessons.needed(teacher, session, data)
            for _attempt in range(0 if wrong or question else CODES_TRIED):
                code = new_code(self._classroom.below) if not session.without_phones else None
                if await self._classroom.store.create_session(session, sheets, code, code_ends(session, now)):
                    await self._lessons.share(sheets)
                    await self._classroom.set_step(self._side, person, "")
                    # the choice and the location's button go; the board comes
                    await self._side.outbox.put(*(Item(person, "delete", slot=each) for each in (SCREEN, PLACE_SLOT)))
                    log.info("session %s: opened by teacher %d, %d batches", session.id, person, len(sheets))
                    return session
        except SessionExists:
            question = await self._lessons.needed(teacher, session, data)
        if not wrong and question is None:
            raise LmsUnavailable("no free code")  # needs hundreds of thousands of live codes
        _ = self._side.texts(person)
        await self._side.outbox.put(Item(person, "send", _("Nothing was opened."), ask="nothing"))
        if question is not None and not wrong:
            await self._ask(person, question, "menu", anew=True)
            return None
        await self._classroom.set_step(self._side, person, "")
        await self._side.outbox.put(Item(person, "send", wrong, [[Button(_("Back"), "menu")]], slot=SCREEN))
        return None

    def _session(self, teacher: Teacher, data: dict[str, Any]) -> Session:
        now, settings = self._classroom.clock.now(), self._classroom.settings
        by_hand, lasts = "day" in data, timedelta(seconds=settings.otp_expiry_seconds)
        return Session(
            id=secrets.token_hex(6),
            teacher=teacher.telegram_id,
            campus=teacher.campus,
            subject=data["subject"],
            batches=tuple(sorted(data["chosen"], key=name_key)),
            date=data["day"] if by_hand else self._classroom.today.isoformat(),
            place=None,
            opened_at=now,
            closes_at=now + (LASTS if by_hand else lasts),
            rotate_seconds=0 if by_hand else settings.otp_rotate_seconds,
            lesson=data.get("lesson", ""),
            lms_record=LmsRecord(data.get("lms", LmsRecord.OWN)),
            without_phones=by_hand,
        )

    async def _rosters(self, teacher: Teacher, session: Session, data: dict[str, Any]) -> list[Sheet]:
        lms, fresh = self._classroom.lms, data.get("fresh", False)
        courses = [Course(each, session.subject) for each in session.batches]
        rosters = await asyncio.gather(*(lms.roster(teacher, each, reload=fresh) for each in courses))
        return _sheets(session, rosters)

    def _without_students(self, person: int, sheets: list[Sheet]) -> str:
        """Return what is wrong with empty batches (the LMS refuses a record without students); empty: nothing."""
        empty = [short(sheet.batch, 200) for sheet in sheets if not sheet.roster]
        _ = self._side.texts(person)
        text = _("There are no students in {batches}. Leave that out, or speak to whoever keeps the rosters.")
        return text.format(batches=", ".join(empty[:CHOSEN_SHOWN])) if empty else ""

    async def _show(self, person: int, text: str, keyboard: Keyboard) -> None:
        await self._side.outbox.put(Item(person, "edit", text, keyboard, slot=SCREEN))


def _batches(data: dict[str, Any]) -> list[str]:
    return sorted({batch for batch, _subject in data["courses"]}, key=name_key)


def _shared_subjects(data: dict[str, Any]) -> list[str]:
    """Return the subjects that every chosen batch has."""
    subjects = [{subject for batch, subject in data["courses"] if batch == each} for each in data["chosen"]]
    return sorted(set.intersection(*subjects), key=name_key) if subjects else []


def _sheets(session: Session, rosters: Sequence[Sequence[Enrolled]]) -> list[Sheet]:
    return [
        Sheet(
            *(session.id, session.campus, batch, session.subject, session.date, session.teacher, in_order(roster)),
            lesson=session.lesson,
            lms_record=session.lms_record,
        )
        for batch, roster in zip(session.batches, rosters, strict=True)
    ]
