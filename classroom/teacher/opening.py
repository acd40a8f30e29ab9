"""Opening a session: subject, batches, the place, and the code."""

import asyncio
import logging
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import Any

from telegram import Update

from classroom.check_in.evidence import evidence_of
from classroom.domain import location_policy as policy
from classroom.domain.sessions import Course, Place, Session, Sheet, Teacher, code_ends, new_code
from classroom.domain.sorting import in_order, name_key
from classroom.lms import LmsUnavailable
from classroom.saved_rooms import SavedRoom
from classroom.services import Classroom
from classroom.store import SessionExists
from classroom.student.texts import refusal_text
from classroom.teacher.manual_marks import turns
from telegram_app.lines import bold, ends, short
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.people import ConversationStep
from telegram_app.side import SCREEN, sender

log = logging.getLogger(__name__)

CHOOSING, PLACE, ROOM_NAME = "choosing", "place", "room name"  # names of conversation steps
ON_A_PAGE = 8
LONGEST_LABEL = 40  # characters of a name on a button; longer ones stand in the text above, by number
LONGEST_NAME, CHOSEN_SHOWN = 150, 5  # so that a screen fits into one message, also with letters that count twice
LONGEST_ROOM, MOST_ROOMS = 40, 12
CODES_TRIED = 20


class Opening:
    """The conversation from "Take Attendance" to an open session. The choices are kept in the step's data."""

    def __init__(self, classroom: Classroom) -> None:
        self._classroom = classroom
        self._side = classroom.teacher

    async def begin(self, teacher: Teacher, *, reload: bool = False) -> None:
        """Show the subjects, or the batches where there is only one subject."""
        person = teacher.telegram_id
        _ = self._side.texts(person)
        courses = await self._classroom.lms.courses(teacher, reload=reload)
        if not courses:
            text = _("You have no batch to take attendance of. Speak to whoever keeps the rosters.")
            await self._show(person, text, [[Button(_("Reload"), "open:reload"), Button(_("Back"), "menu")]])
            return
        subjects = sorted({course.subject for course in courses}, key=name_key)
        data = {"courses": [[each.batch, each.subject] for each in courses], "subjects": subjects, "chosen": []}
        data["fresh"] = reload
        if len(subjects) == 1:
            data["subject"] = subjects[0]
        await self._classroom.set_step(self._side, person, CHOOSING, data)
        await self._show_choice(person, data, 0)

    async def tapped(self, teacher: Teacher, what: str) -> None:
        """Handle a tap while choosing: "subjects", "next", "reload", or with a number s, b, u or p.

        These choose a subject, add a batch, remove one, or turn to a page. A second tap changes nothing.
        """
        person = teacher.telegram_id
        step = await self._side.step(person)
        kind, _colon, number = what.partition(":")
        if step is not None and step.name == PLACE and kind != "reload":
            return  # a second tap on Next
        if kind == "reload" or step is None or step.name != CHOOSING:
            await self.begin(teacher, reload=kind == "reload")
            return
        data = step.data
        at = int(number) if number.isdecimal() else 0
        batches = self._batches(data)
        if kind == "subjects":
            data = {name: data[name] for name in ("courses", "subjects", "fresh")} | {"chosen": []}
        elif kind == "s" and at < len(data["subjects"]):
            data |= {"subject": data["subjects"][at], "chosen": []}
            at = 0
        elif kind in ("b", "u") and at < len(batches):
            chosen = set(data["chosen"]) - {batches[at]} | ({batches[at]} if kind == "b" else set())
            data["chosen"] = [each for each in batches if each in chosen]
        elif kind == "next" and data["chosen"]:
            with suppress(LmsUnavailable):  # it is asked again after the location, but a mistake is told at once
                for batch in data["chosen"]:
                    await self._classroom.lms.roster(teacher, Course(batch, data["subject"]))
            await self._ask_place(person, data)
            return
        await self._classroom.set_step(self._side, person, CHOOSING, data)
        await self._show_choice(person, data, at if kind == "p" else at // ON_A_PAGE)

    def _batches(self, data: dict[str, Any]) -> list[str]:
        return sorted({batch for batch, subject in data["courses"] if subject == data.get("subject")}, key=name_key)

    async def _show_choice(self, person: int, data: dict[str, Any], page: int) -> None:
        _ = self._side.texts(person)
        has_subject = "subject" in data
        names = self._batches(data) if has_subject else data["subjects"]
        page = min(page, (len(names) - 1) // ON_A_PAGE)
        shown = list(enumerate(names))[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]
        is_long = any(len(name) > LONGEST_LABEL for _at, name in shown)  # shortened names may look equal
        keyboard: Keyboard = []
        for at, name in shown:
            label = f"{at + 1}. {name}"[:LONGEST_LABEL] if is_long else name
            kind = "s" if not has_subject else "u" if name in data["chosen"] else "b"
            keyboard.append([Button(("\u2713 " if kind == "u" else "") + label, f"open:{kind}:{at}")])
        keyboard += turns(_, "open:p", page, len(names), ON_A_PAGE)
        named = [f"{at + 1}. {ends(name, LONGEST_NAME)}" for at, name in shown] if is_long else []
        if has_subject:
            which = _("Which batches? Tap one or several, then {button}.").format(button=_("Next"))
            lines = [bold(ends(data["subject"], LONGEST_NAME)), *named, which]
            lines += [ends(batch, LONGEST_NAME) for batch in data["chosen"][:CHOSEN_SHOWN]]
            if len(data["chosen"]) > CHOSEN_SHOWN:
                lines.append(_("and {number} more").format(number=len(data["chosen"]) - CHOSEN_SHOWN))
        else:
            lines = [*named, _("Which subject?")]
        last = [Button(_("Next"), "open:next")] if data["chosen"] else [Button(_("Reload"), "open:reload")]
        back = "open:subjects" if has_subject and len(data["subjects"]) > 1 else "menu"
        keyboard.append([*last, Button(_("Back"), back)])
        await self._show(person, "\n".join(lines), keyboard)

    async def _ask_place(self, person: int, data: dict[str, Any]) -> None:
        _ = self._side.texts(person)
        rooms = [room.name for room in await asyncio.to_thread(self._classroom.rooms.of, person)]
        chosen = {name: data[name] for name in ("subject", "chosen", "fresh")} | {"rooms": rooms}
        await self._classroom.set_step(self._side, person, PLACE, chosen)
        await self.show_rooms(person, rooms)
        await self.ask_location(person)

    async def show_rooms(self, person: int, rooms: list[str], *, delete: bool = False) -> None:
        """Show the saved places, to open the session in one or (``delete``) to delete one."""
        _ = self._side.texts(person)
        what = "gone" if delete else "room"
        keyboard: Keyboard = [[Button(name, f"{what}:{at}")] for at, name in enumerate(rooms)]
        if delete:
            await self._show(person, _("Which place should be deleted?"), [*keyboard, [Button(_("Back"), "rooms")]])
            return
        last = [Button(_("Delete a Place"), "forget")] if rooms else []
        await self._show(person, _("Where is the class?"), [*keyboard, [*last, Button(_("Back"), "menu")]])

    async def delete_room(self, person: int, number: int, step: ConversationStep) -> None:
        rooms: list[str] = step.data["rooms"]
        if number < len(rooms):
            await asyncio.to_thread(self._classroom.rooms.remove, person, rooms[number])
            rooms = [each for each in rooms if each != rooms[number]]
            await self._classroom.set_step(self._side, person, PLACE, step.data | {"rooms": rooms})
        await self.show_rooms(person, rooms)

    async def ask_location(self, person: int, headline: str = "") -> None:
        """Ask for the location of the class; only a phone can send it."""
        _ = self._side.texts(person)
        text = _("Share your location with the button below, from your phone, in class.")
        if self._classroom.settings.location_policy == "strict":
            text = refusal_text(_, policy.LocationRefusal.NOT_LIVE)
        request = self._classroom.location_request(self._side, person, f"{headline}\n{text}".strip())
        await self._side.outbox.put(request)

    async def located(self, teacher: Teacher, update: Update, step: ConversationStep) -> Session | None:
        """Open the session at a shared location; None where that is refused."""
        message, person = update.effective_message, sender(update)
        if message is None:
            return None
        _ = self._side.texts(person)
        evidence = evidence_of(message)
        refusal = policy.refusal(evidence, self._classroom.clock.now(), self._classroom.settings.location_policy)
        if refusal is not None:
            if update.edited_message is None:
                request = self._classroom.location_request(self._side, person, refusal_text(_, refusal))
                await self._side.outbox.put(request)
            return None
        return await self._open(teacher, step, Place(evidence.latitude, evidence.longitude, evidence.accuracy))

    async def in_room(self, teacher: Teacher, number: int, step: ConversationStep) -> Session | None:
        rooms = {room.name: room for room in await asyncio.to_thread(self._classroom.rooms.of, teacher.telegram_id)}
        names = step.data.get("rooms", [])
        room = rooms.get(names[number]) if number < len(names) else None
        if room is None:
            return None
        return await self._open(teacher, step, Place(room.latitude, room.longitude, room.accuracy))

    async def _open(self, teacher: Teacher, step: ConversationStep, place: Place) -> Session | None:
        person, now, settings = teacher.telegram_id, self._classroom.clock.now(), self._classroom.settings
        _ = self._side.texts(person)
        session = Session(
            id=secrets.token_hex(6),
            teacher=person,
            campus=teacher.campus,
            subject=step.data["subject"],
            batches=tuple(sorted(step.data["chosen"], key=name_key)),
            date=now.astimezone(settings.zone).date().isoformat(),
            place=place,
            opened_at=now,
            closes_at=now + timedelta(seconds=settings.otp_expiry_seconds),
            rotate_seconds=settings.otp_rotate_seconds,
        )
        sheets = await self._sheets(teacher, session, fresh=step.data.get("fresh", False))
        empty = [short(sheet.batch, 200) for sheet in sheets if not sheet.roster]
        if empty:  # the LMS refuses a record without students
            text = _("There are no students in {batches}. Leave that out, or speak to whoever keeps the rosters.")
            await self._classroom.set_step(self._side, person, "")
            text = text.format(batches=", ".join(empty[:CHOSEN_SHOWN]))
            await self._side.outbox.put(Item(person, "send", text, ask="nothing"))
            return None
        try:
            for _attempt in range(CODES_TRIED):
                code = new_code(self._classroom.below)
                if await self._classroom.store.create_session(session, sheets, code, code_ends(session, now)):
                    await self._classroom.set_step(self._side, person, "")
                    await self._side.outbox.put(Item(person, "strip", slot=SCREEN))
                    log.info("session %s: opened by teacher %d, %d batches", session.id, person, len(sheets))
                    return session
        except SessionExists as there:
            await self._tell_of_first(person, there)
            return None
        raise LmsUnavailable("no free code")  # needs hundreds of thousands of live codes

    async def _sheets(self, teacher: Teacher, session: Session, *, fresh: bool) -> list[Sheet]:
        courses = [Course(each, session.subject) for each in session.batches]
        rosters = await asyncio.gather(*(self._classroom.lms.roster(teacher, each, reload=fresh) for each in courses))
        return [
            Sheet(session.id, session.campus, batch, session.subject, session.date, session.teacher, in_order(roster))
            for batch, roster in zip(session.batches, rosters, strict=True)
        ]

    async def _tell_of_first(self, person: int, there: SessionExists) -> None:
        _ = self._side.texts(person)
        first = await self._classroom.store.session(there.session)
        text = _("Attendance of {batch} in this subject was opened today already.").format(batch=ends(there.batch, 300))
        keyboard: Keyboard = []
        if first is not None and first.teacher == person:
            keyboard.append([Button(_("Show It"), f"board:{first.id}")])
        else:
            other = await self._classroom.store.teacher(first.teacher) if first is not None else None
            text += " " + _("Another teacher has opened it.")
            text += f" {short(other.name, 100)}" if other is not None else ""
        await self._classroom.set_step(self._side, person, "")
        await self._side.outbox.put(
            Item(person, "send", _("Nothing was opened."), ask="nothing"),
            Item(person, "send", text, [*keyboard, [Button(_("Back"), "menu")]], slot=SCREEN),
        )

    async def save_room(self, session: Session, name: str) -> bool:
        """Save the place of a session under a name; False where the teacher has too many, or it is deleted."""
        person, name = session.teacher, " ".join(name.split())[:LONGEST_ROOM]
        rooms = await asyncio.to_thread(self._classroom.rooms.of, person)
        full = len(rooms) >= MOST_ROOMS and name not in [room.name for room in rooms]
        if session.place is None or full:
            return False
        room = SavedRoom(name, session.place.latitude, session.place.longitude, session.place.accuracy)
        await asyncio.to_thread(self._classroom.rooms.save, person, room)
        return True

    async def _show(self, person: int, text: str, keyboard: Keyboard) -> None:
        await self._side.outbox.put(Item(person, "edit", text, keyboard, slot=SCREEN))
