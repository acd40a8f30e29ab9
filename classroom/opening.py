"""A teacher opens a session: subject, batches, the place, and the code."""

import asyncio
import logging
import secrets
from datetime import timedelta
from typing import Any

from telegram import Update

from classroom import checkin_policy as policy
from classroom.evidence import evidence_of
from classroom.lines import short, split
from classroom.lms import LmsUnavailable
from classroom.services import Classroom, sender
from classroom.sessions import Course, Place, Session, Sheet, Teacher, code_ends, new_code
from classroom.store import SessionExists
from classroom.student_texts import refusal_text
from ledger import Room, Step
from telegram_app.outgoing import Button, Item, Keyboard

log = logging.getLogger(__name__)

CHOOSING, PLACE = "choosing", "place"  # steps' names
SCREEN = "menu"  # the slot of the screen that is tapped on
ON_A_PAGE = 8
LONGEST_LABEL = 60  # characters of a name on a button
CODES_TRIED = 20


class Opening:
    """The conversation from "Take Attendance" to an open session. What is chosen lies in the step's data, by number."""

    def __init__(self, room: Classroom) -> None:
        """Take what the bots work with."""
        self._room = room
        self._side = room.teacher

    async def begin(self, teacher: Teacher, *, reload: bool = False) -> None:
        """Show the subjects."""
        person = teacher.telegram_id
        _ = self._side.texts(person)
        courses = await self._room.lms.courses(teacher, reload=reload)
        if not courses:
            text = _("You have no batch to take attendance of. Speak to whoever keeps the rosters.")
            await self._show(person, text, [[Button(_("Reload"), "open:reload"), Button(_("Back"), "menu")]])
            return
        subjects = sorted({course.subject for course in courses})
        data = {"courses": [[each.batch, each.subject] for each in courses], "subjects": subjects, "chosen": []}
        if len(subjects) == 1:
            data["subject"] = subjects[0]
        await self._room.set_step(self._side, person, CHOOSING, data)
        await self._show_choice(person, data, 0)

    async def tapped(self, teacher: Teacher, what: str) -> None:
        """Take a tap on the choice: "s:N" a subject, "b:N" a batch, "p:N" a page, "all", "next", "reload"."""
        person = teacher.telegram_id
        step = await self._side.step(person)
        if what == "reload" or step is None or step.name != CHOOSING:
            await self.begin(teacher, reload=what == "reload")
            return
        data, (kind, _colon, number) = step.data, what.partition(":")
        at = int(number) if number.isdecimal() else 0
        if kind == "s" and at < len(data["subjects"]):
            data |= {"subject": data["subjects"][at], "chosen": []}
        elif kind == "b" and at < len(self._batches(data)):
            batch = self._batches(data)[at]
            chosen = set(data["chosen"]) ^ {batch}
            data["chosen"] = [each for each in self._batches(data) if each in chosen]
        elif kind == "next" and data["chosen"]:
            await self._ask_place(person, data)
            return
        await self._room.set_step(self._side, person, CHOOSING, data)
        await self._show_choice(person, data, at if kind == "p" else at // ON_A_PAGE)

    def _batches(self, data: dict[str, Any]) -> list[str]:
        return sorted(batch for batch, subject in data["courses"] if subject == data.get("subject"))

    async def _show_choice(self, person: int, data: dict[str, Any], page: int) -> None:
        _ = self._side.texts(person)
        has_subject = "subject" in data
        names = self._batches(data) if has_subject else data["subjects"]
        page = min(page, (len(names) - 1) // ON_A_PAGE)
        shown = list(enumerate(names))[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]
        kind = "b" if has_subject else "s"
        keyboard: Keyboard = [
            [Button(("\u2713 " if name in data["chosen"] else "") + name[:LONGEST_LABEL], f"open:{kind}:{at}")]
            for at, name in shown
        ]
        turns = [Button(_("Previous"), f"open:p:{page - 1}")] if page else []
        turns += [Button(_("More"), f"open:p:{page + 1}")] if (page + 1) * ON_A_PAGE < len(names) else []
        keyboard += [turns] if turns else []
        if not has_subject:
            text = _("Which subject?")
            keyboard.append([Button(_("Reload"), "open:reload"), Button(_("Back"), "menu")])
        else:
            lines = [f"<b>{short(data['subject'], 300)}</b>", _("Which batches? Tap one or several, then Next.")]
            lines += [short(batch, 300) for batch in data["chosen"]]
            text = split(lines)[0]
            last = [Button(_("Next"), "open:next")] if data["chosen"] else [Button(_("Reload"), "open:reload")]
            keyboard.append([*last, Button(_("Back"), "menu")])
        await self._show(person, text, keyboard)

    async def _ask_place(self, person: int, data: dict[str, Any]) -> None:
        _ = self._side.texts(person)
        chosen = {"subject": data["subject"], "chosen": data["chosen"]}
        await self._room.set_step(self._side, person, PLACE, chosen)
        rooms = await asyncio.to_thread(self._room.rooms.of, person)
        keyboard: Keyboard = [
            [Button(room.name[:LONGEST_LABEL], f"room:{at}")] for at, room in enumerate(rooms[:ON_A_PAGE])
        ]
        text = _("Where is the class?")
        if self._room.settings.location_policy == "strict":
            share = refusal_text(_, policy.Refusal.NOT_LIVE)
        else:
            share = _("Share your location with the button below, from your phone, in class.")
        await self._show(person, text, [*keyboard, [Button(_("Back"), "menu")]])
        await self._side.outbox.put(Item(person, "send", share, ask="location", ask_label=_("Share Location")))

    async def located(self, teacher: Teacher, update: Update, step: Step) -> Session | None:
        """Take the place of a class and open the session; None where it does not count, or can't be opened."""
        message, person = update.effective_message, sender(update)
        if message is None:
            return None
        _ = self._side.texts(person)
        evidence = evidence_of(message)
        refusal = policy.refusal(evidence, self._room.clock.now(), self._room.settings.location_policy)
        if refusal is not None:
            if update.edited_message is None:
                await self._side.outbox.put(Item(person, "send", refusal_text(_, refusal)))
            return None
        return await self._open(teacher, step, Place(evidence.latitude, evidence.longitude, evidence.accuracy))

    async def in_room(self, teacher: Teacher, number: int, step: Step) -> Session | None:
        """Open the session in a saved room."""
        rooms = await asyncio.to_thread(self._room.rooms.of, teacher.telegram_id)
        if number >= len(rooms):
            return None
        room = rooms[number]
        return await self._open(teacher, step, Place(room.latitude, room.longitude, room.accuracy))

    async def _open(self, teacher: Teacher, step: Step, place: Place) -> Session | None:
        person, now, settings = teacher.telegram_id, self._room.clock.now(), self._room.settings
        _ = self._side.texts(person)
        session = Session(
            id=secrets.token_hex(6),
            teacher=person,
            campus=teacher.campus,
            subject=step.data["subject"],
            batches=tuple(sorted(step.data["chosen"])),
            date=now.astimezone(settings.zone).date().isoformat(),
            place=place,
            opened_at=now,
            closes_at=now + timedelta(seconds=settings.otp_expiry_seconds),
            rotate_seconds=settings.otp_rotate_seconds,
        )
        sheets = await self._sheets(teacher, session)
        if not any(sheet.roster for sheet in sheets):
            text = _("There is no student in these batches. Speak to whoever keeps the rosters.")
            await self._side.outbox.put(Item(person, "send", text, ask="nothing"))
            return None
        try:
            for _attempt in range(CODES_TRIED):
                code = new_code(self._room.below)
                if await self._room.store.create_session(session, sheets, code, code_ends(session, now)):
                    await self._room.set_step(self._side, person, "")
                    log.info("session %s: opened by teacher %d, %d batches", session.id, person, len(sheets))
                    return session
        except SessionExists as there:
            await self._tell_of_first(person, there)
            return None
        raise LmsUnavailable("no free code")  # a million codes, all live: nothing that a teacher meets

    async def _sheets(self, teacher: Teacher, session: Session) -> list[Sheet]:
        rosters = await asyncio.gather(
            *(self._room.lms.roster(teacher, Course(batch, session.subject)) for batch in session.batches)
        )
        return [
            Sheet(session.id, session.campus, batch, session.subject, session.date, session.teacher, tuple(roster))
            for batch, roster in zip(session.batches, rosters, strict=True)
        ]

    async def _tell_of_first(self, person: int, there: SessionExists) -> None:
        _ = self._side.texts(person)
        first = await self._room.store.session(there.session)
        text = _("Attendance of {batch} in this subject was opened today already.").format(
            batch=short(there.batch, 300)
        )
        keyboard: Keyboard = []
        if first is not None and first.teacher == person:
            keyboard.append([Button(_("Show It"), f"board:{first.id}")])
        else:
            text += " " + _("Another teacher has opened it.")
        await self._room.set_step(self._side, person, "")
        await self._side.outbox.put(
            Item(person, "send", _("Nothing was opened."), ask="nothing"),
            Item(person, "send", text, [*keyboard, [Button(_("Back"), "menu")]], slot=SCREEN),
        )

    async def save_room(self, teacher: Teacher, session_id: str, name: str) -> bool:
        """Keep the place of a session under a name, for the next ones."""
        session = await self._room.store.session(session_id)
        if session is None or session.teacher != teacher.telegram_id:
            return False
        room = Room(name, session.place.latitude, session.place.longitude, session.place.accuracy)
        await asyncio.to_thread(self._room.rooms.save, teacher.telegram_id, room)
        return True

    async def _show(self, person: int, text: str, keyboard: Keyboard) -> None:
        await self._side.outbox.put(Item(person, "edit", text, keyboard, slot=SCREEN))
