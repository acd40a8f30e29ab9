"""The living message of a session: who is in, who is being checked, who failed and why, how long it goes on."""

import logging
from datetime import datetime, timedelta

from classroom.counted import Counted, counted, note_text, refused_lines, title
from classroom.domain import face_policy as faces
from classroom.domain.sessions import CheckIn, CheckInStep, Session, SessionState, Status, end_of, state_of
from classroom.services import Classroom
from classroom.student.texts import status_word
from telegram_app.i18n import Texts
from telegram_app.lines import short, split
from telegram_app.outbox import NOTICE, Button, Item, Keyboard
from telegram_app.outbox_table import Action

log = logging.getLogger(__name__)

BETWEEN_EDITS = 3.0  # seconds; Telegram counts an edit like a message
FAILED_SHOWN = 10
ROUNDED = 5  # seconds left are shown in steps of so many


class Boards:
    """The boards of the live sessions, each in its teacher's chat."""

    def __init__(self, room: Classroom, between_edits: float = BETWEEN_EDITS) -> None:
        """Take what the bots work with, and the pace in seconds."""
        self._between_edits = timedelta(seconds=between_edits)
        self._room = room
        self._side = room.teacher
        self._shown: dict[str, tuple[str, datetime]] = {}  # by session: what stands there, since when

    async def begin(self, session: Session, *, again: bool = False) -> None:
        """Show a session: its code with the link, and the board below, which stays alive.

        It is done once, whoever asks for it first; ``again``: it was reopened, and is shown below what came since.
        """
        person, now = session.teacher, self._room.clock.now()
        _ = self._side.texts(person)
        code = await self._room.store.code(session.id, now)
        text, keyboard = await self._drawn(session)
        slots = _code_slot(session.id), _board_slot(session.id)
        strips = [Item(person, "strip", slot=slot, lane=NOTICE) for slot in slots] if again else []
        save = [[Button(_("Save This Place"), f"save:{session.id}")]]
        claim = None if again else (lambda: self._side.claims.claim(f"opened:{session.id}", now))
        coded = []
        if code is not None:  # else it has ended before anybody could show it
            said, link = self._code_text(session, code), self.link(code)
            coded = [
                Item(person, "send", _("The session is open."), ask="nothing", lane=NOTICE),
                Item(person, "photo", said, save, slots[0], NOTICE, qr=link),
            ]
        board = Item(person, "send", text, keyboard, slots[1], NOTICE)
        if await self._side.outbox.put(*strips, *coded, board, when=claim):
            self._shown[session.id] = (text, now)

    async def show_code(self, session: Session, code: str) -> None:
        """Show a session's next code in the place of the one before."""
        _ = self._side.texts(session.teacher)
        save = [[Button(_("Save This Place"), f"save:{session.id}")]]
        text, slot = self._code_text(session, code), _code_slot(session.id)
        await self._side.outbox.put(
            Item(session.teacher, "amend", text, save, slot, NOTICE, qr=self.link(code)),
        )

    def _code_text(self, session: Session, code: str) -> str:
        _ = self._side.texts(session.teacher)
        text = _("Code: <b>{code}</b>\nStudents open {link} or send the code to @{bot}.")
        return text.format(code=_spaced(code), link=self.link(code), bot=self._room.student.username)

    def link(self, code: str) -> str:
        """Return the link that opens the student's bot with a code."""
        return f"https://t.me/{self._room.student.username}?start={code}"

    async def show(self, session: Session, *, anew: bool = False) -> None:
        """Show a session as it is now; ``anew``: as a new message below."""
        text, keyboard = await self._drawn(session)
        self._shown[session.id] = (text, self._room.clock.now())
        slot = _board_slot(session.id)
        items = [Item(session.teacher, "strip", slot=slot)] if anew else []
        action: Action = "send" if anew else "amend"
        await self._side.outbox.put(*items, Item(session.teacher, action, text, keyboard, slot=slot, lane=NOTICE))

    async def refresh(self, session: Session) -> None:
        """Show what has changed, unless the last change was only just shown."""
        text, since = self._shown.get(session.id, ("", datetime.min.replace(tzinfo=session.opened_at.tzinfo)))
        if self._room.clock.now() - since < self._between_edits:
            return
        drawn, _keyboard = await self._drawn(session)
        if drawn != text:
            await self.show(session)
        else:
            self._shown[session.id] = (text, self._room.clock.now())

    def forget(self, session_id: str) -> None:
        """Refresh a session no more."""
        self._shown.pop(session_id, None)

    async def _drawn(self, session: Session) -> tuple[str, Keyboard]:
        now = self._room.clock.now()
        found = await counted(self._room, session)
        _ = self._side.texts(session.teacher)
        state = state_of(session, now, timedelta(seconds=self._room.settings.checkin_grace_seconds))
        lines = [title(session)]
        lines += await self._state_lines(_, session, state, now)
        if state is not SessionState.CANCELLED:
            lines += _counts(_, found, state, checks_faces=self._room.settings.face_engine != "none")
        return split(lines)[0], _keyboard(_, found, state)

    async def _state_lines(self, _: Texts, session: Session, state: SessionState, now: datetime) -> list[str]:
        if state is SessionState.CANCELLED:
            return [_("Cancelled: nothing is recorded.")]
        if state is not SessionState.OPEN:
            return [_("Closed at {time}.").format(time=f"{end_of(session).astimezone(self._room.settings.zone):%H:%M}")]
        left = max(0, int((session.closes_at - now).total_seconds()))
        left = -(-left // ROUNDED) * ROUNDED
        code = await self._room.store.code(session.id, now) or ""
        return [_("Code: <b>{code}</b>, {seconds} s left").format(code=_spaced(code), seconds=left)]


def _board_slot(session_id: str) -> str:
    return f"board:{session_id}"


def _code_slot(session_id: str) -> str:
    return f"code:{session_id}"


def _spaced(code: str) -> str:
    """Return a code in two halves, as people read it out."""
    return f"{code[:3]} {code[3:]}"


def _counts(_: Texts, found: Counted, state: SessionState, *, checks_faces: bool) -> list[str]:
    """Return the lines with numbers and names; where faces are checked, all who wait without one are named, with ID."""
    present = [len(found.marked.get(status, [])) for status in (Status.PRESENT, Status.LATE)]
    lines = [_("In: {number} of {all}").format(number=sum(present), all=found.students)]
    lines += [
        f"{status_word(_, status)}: {len(found.marked[status])}"
        for status in (Status.LATE, Status.EXCUSED)
        if status in found.marked
    ]
    on_the_way = [each for each in found.waiting(CheckInStep.PLACE) if each.distance is None] + found.waiting(
        CheckInStep.CHECKING
    )
    if state is not SessionState.CLOSED:  # else nobody waits for their video any more
        on_the_way += found.waiting(CheckInStep.FACE)
    if on_the_way:
        lines.append(_("Being checked: {number}").format(number=len(on_the_way)))
    if waiting := len(found.waiting(CheckInStep.CONFIRM)):
        lines.append(_("Wait for your word: {number}").format(number=waiting))
    failed = [
        each
        for each in found.waiting(CheckInStep.PLACE, CheckInStep.FACE, CheckInStep.REJECTED)
        if each not in on_the_way
    ]
    closer = found.waiting(CheckInStep.REVIEW)
    closer += [each for each in found.waiting(CheckInStep.CONFIRM) if checks_faces or each.note == faces.NO_FACE]
    for heading, each in ((_("Look at these:"), closer), (_("Not through:"), failed)):
        if each:
            ids = checks_faces and each is closer
            named = [f"- {_who(found, one, with_id=ids)}: {note_text(_, one)}" for one in each[:FAILED_SHOWN]]
            more = [_("and {number} more").format(number=len(each) - FAILED_SHOWN)] if len(each) > FAILED_SHOWN else []
            lines += [heading, *named, *more]
    lines.append(_("Missing: {number}").format(number=len(found.missing)))
    return lines + refused_lines(_, found)


def _who(found: Counted, check_in: CheckIn, *, with_id: bool) -> str:
    name = short(found.name(check_in.student_id), 80)
    return f"{name} {short(check_in.student_id, 64)}" if with_id else name


def _keyboard(_: Texts, found: Counted, state: SessionState) -> Keyboard:
    key = found.session.id
    if state is SessionState.CANCELLED:
        return []
    keyboard: Keyboard = []
    if waiting := found.waiting(CheckInStep.CONFIRM):
        keyboard.append([Button(_("Confirm All ({number})").format(number=len(waiting)), f"all:{key}")])
    if found.waiting(CheckInStep.CONFIRM, CheckInStep.REVIEW):
        keyboard.append([Button(_("Check One by One"), f"checks:{key}")])
    if any(sheet.refused for sheet in found.sheets):
        keyboard.append([Button(_("Try Again"), f"again:{key}")])
    hand = Button(_("Mark by Hand"), f"hands:{key}")
    if state is SessionState.OPEN:
        # by the end that it was drawn with, a second tap is known for what it is
        extend = Button(_("Extend"), f"extend:{key}:{int(found.session.closes_at.timestamp())}")
        keyboard.append([extend, Button(_("Close Now"), f"close:{key}")])
        keyboard.append([hand, Button(_("Cancel Session"), f"cancel:{key}")])
    else:
        keyboard.append([hand, Button(_("Reopen"), f"reopen:{key}")])
        keyboard.append([Button(_("Send Report"), f"report:{key}")])
    return keyboard
