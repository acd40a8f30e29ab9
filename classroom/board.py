"""The living message of a session: who is in, who is being checked, who failed and why, how long it goes on."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from classroom import checkin_policy as policy
from classroom.lines import short, split
from classroom.services import Classroom
from classroom.sessions import CheckIn, Session, Sheet, State, Status, Step, end_of, state_of
from classroom.student_texts import status_word
from ledger import Action
from telegram_app.i18n import Texts
from telegram_app.outgoing import NOTICE, Button, Item, Keyboard

log = logging.getLogger(__name__)

BETWEEN_EDITS = timedelta(seconds=3)  # Telegram counts an edit like a message
FAILED_SHOWN = 10
ROUNDED = 5  # seconds left are shown in steps of so many


@dataclass
class Counted:
    """A session with what stands in its sheets and check-ins."""

    session: Session
    sheets: list[Sheet]
    check_ins: list[CheckIn]
    marked: dict[Status, list[str]] = field(default_factory=dict)  # names by status; absent ones apart
    missing: list[str] = field(default_factory=list)

    @property
    def students(self) -> int:
        """How many are on the rosters."""
        return sum(len(sheet.roster) for sheet in self.sheets)

    def waiting(self, *steps: Step) -> list[CheckIn]:
        """Return the check-ins that are at one of these steps, of students without a mark."""
        marked = {student_id for sheet in self.sheets for student_id in sheet.marks}
        return [each for each in self.check_ins if each.step in steps and each.student_id not in marked]

    def name(self, student_id: str) -> str:
        """Return a student's name, or the ID where the roster has none."""
        names = {each.student_id: each.name for sheet in self.sheets for each in sheet.roster}
        return names.get(student_id) or student_id


async def counted(room: Classroom, session: Session) -> Counted:
    """Read what there is of a session."""
    sheets = await room.store.sheets(session.id)
    found = Counted(session, sheets, await room.store.check_ins(session.id))
    for sheet in sheets:
        for student in sheet.roster:
            status = sheet.status_of(student.student_id)
            name = student.name or student.student_id
            if status is Status.ABSENT:
                found.missing.append(name)
            else:
                found.marked.setdefault(status, []).append(name)
    return found


def note_text(_: Texts, check_in: CheckIn) -> str:
    """Return why a check-in is not simply in."""
    distance = f" ({round(check_in.distance)} m)" if check_in.distance is not None else ""
    notes = {
        policy.JUST_OUTSIDE: _("just outside"),
        policy.TOO_FAR: _("too far away"),
        policy.MANY_TRIES: _("many wrong codes on this ID"),
        policy.MANY_IN_SESSION: _("many wrong codes in this session"),
    }
    if check_in.step is Step.REJECTED:
        return _("not accepted")
    return notes.get(check_in.note, _("no location yet")) + distance


class Boards:
    """The boards of the live sessions, each in its teacher's chat."""

    def __init__(self, room: Classroom) -> None:
        """Take what the bots work with."""
        self._room = room
        self._side = room.teacher
        self._shown: dict[str, tuple[str, datetime]] = {}  # by session: what stands there, since when

    async def begin(self, session: Session) -> None:
        """Show a new session: its code with the link, and the board below, which stays alive."""
        person = session.teacher
        _ = self._side.texts(person)
        code = await self._room.store.code(session.id, self._room.clock.now()) or ""
        link = self.link(code)
        text = _("Code: <b>{code}</b>\nStudents open {link} or send the code to @{bot}.").format(
            code=f"{code[:3]} {code[3:]}", link=link, bot=self._room.student.username
        )
        save = [[Button(_("Save This Place"), f"save:{session.id}")]]
        items = [Item(person, "send", _("The session is open."), ask="nothing")]
        if session.rotate_seconds == 0:  # a picture of a code that changes would be wrong in a moment
            items.append(Item(person, "photo", text, save, slot=f"code:{session.id}", qr=link))
        await self._side.outbox.put(*items)
        await self.show(session, anew=True)

    def link(self, code: str) -> str:
        """Return the link that opens the student's bot with a code."""
        return f"https://t.me/{self._room.student.username}?start={code}"

    async def show(self, session: Session, *, anew: bool = False) -> None:
        """Show a session as it is now; ``anew``: as a new message below."""
        text, keyboard = await self._drawn(session)
        self._shown[session.id] = (text, self._room.clock.now())
        slot = f"board:{session.id}"
        items = [Item(session.teacher, "strip", slot=slot)] if anew else []
        action: Action = "send" if anew else "amend"
        await self._side.outbox.put(*items, Item(session.teacher, action, text, keyboard, slot=slot, lane=NOTICE))

    async def refresh(self, session: Session) -> None:
        """Show what has changed, unless the last change was only just shown."""
        text, since = self._shown.get(session.id, ("", datetime.min.replace(tzinfo=session.opened_at.tzinfo)))
        if self._room.clock.now() - since < BETWEEN_EDITS:
            return
        drawn, _keyboard = await self._drawn(session)
        if drawn != text:
            await self.show(session)

    def forget(self, session_id: str) -> None:
        """Refresh a session no more."""
        self._shown.pop(session_id, None)

    async def _drawn(self, session: Session) -> tuple[str, Keyboard]:
        now = self._room.clock.now()
        found = await counted(self._room, session)
        _ = self._side.texts(session.teacher)
        state = state_of(session, now, timedelta(seconds=self._room.settings.checkin_grace_seconds))
        lines = [f"<b>{short(session.subject, 200)}</b>: {short(', '.join(session.batches), 600)}"]
        lines += await self._state_lines(_, session, state, now)
        if state is not State.CANCELLED:
            lines += _counts(_, found)
        return split(lines)[0], _keyboard(_, found, state)

    async def _state_lines(self, _: Texts, session: Session, state: State, now: datetime) -> list[str]:
        if state is State.CANCELLED:
            return [_("Cancelled: nothing is recorded.")]
        if state is not State.OPEN:
            return [_("Closed at {time}.").format(time=f"{end_of(session).astimezone(self._room.settings.zone):%H:%M}")]
        left = max(0, int((session.closes_at - now).total_seconds()))
        left = -(-left // ROUNDED) * ROUNDED
        code = await self._room.store.code(session.id, now) or ""
        lines = [_("Code: <b>{code}</b>, {seconds} s left").format(code=f"{code[:3]} {code[3:]}", seconds=left)]
        if session.rotate_seconds:
            lines.append(self.link(code))
        return lines


def _counts(_: Texts, found: Counted) -> list[str]:
    lines = [_("In: {number} of {all}").format(number=found.students - len(found.missing), all=found.students)]
    lines += [
        f"{status_word(_, status)}: {len(found.marked[status])}"
        for status in (Status.LATE, Status.EXCUSED)
        if status in found.marked
    ]
    if waiting := len(found.waiting(Step.CONFIRM)):
        lines.append(_("Wait for your word: {number}").format(number=waiting))
    for title, each in (
        (_("Look at these:"), found.waiting(Step.REVIEW)),
        (_("Not through:"), found.waiting(Step.PLACE, Step.REJECTED)),
    ):
        if each:
            named = [f"- {short(found.name(one.student_id), 80)}: {note_text(_, one)}" for one in each[:FAILED_SHOWN]]
            more = [_("and {number} more").format(number=len(each) - FAILED_SHOWN)] if len(each) > FAILED_SHOWN else []
            lines += [title, *named, *more]
    lines.append(_("Missing: {number}").format(number=len(found.missing)))
    lines += [
        _("The LMS refuses {batch}: {why}").format(batch=short(sheet.batch, 200), why=short(sheet.refused, 200))
        for sheet in found.sheets
        if sheet.refused
    ]
    return lines


def _keyboard(_: Texts, found: Counted, state: State) -> Keyboard:
    key = found.session.id
    if state is State.CANCELLED:
        return []
    keyboard: Keyboard = []
    if waiting := found.waiting(Step.CONFIRM):
        keyboard.append([Button(_("Confirm All ({number})").format(number=len(waiting)), f"all:{key}")])
    if found.waiting(Step.CONFIRM, Step.REVIEW):
        keyboard.append([Button(_("Check One by One"), f"checks:{key}")])
    if any(sheet.refused for sheet in found.sheets):
        keyboard.append([Button(_("Try Again"), f"again:{key}")])
    hand = Button(_("Mark by Hand"), f"hands:{key}")
    if state is State.OPEN:
        keyboard.append([Button(_("Extend"), f"extend:{key}"), Button(_("Close Now"), f"close:{key}")])
        keyboard.append([hand, Button(_("Cancel Session"), f"cancel:{key}")])
    else:
        keyboard.append([hand, Button(_("Reopen"), f"reopen:{key}")])
    return keyboard
