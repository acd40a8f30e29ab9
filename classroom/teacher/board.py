"""The board of a session, a message that is edited: who is in, who is being checked, who failed and why, time left."""

import logging
from datetime import datetime, timedelta

from classroom.domain import face_policy as faces
from classroom.domain.sessions import CheckIn, CheckInStep, Session, SessionState, Status, end_of, state_of
from classroom.overview import SessionOverview, note_text, read_overview, refused_lines, title
from classroom.services import Classroom
from classroom.student.texts import status_word
from telegram_app.i18n import Texts
from telegram_app.lines import short, split
from telegram_app.outbox import NOTICE, Button, Item, Keyboard
from telegram_app.outbox_table import Action

log = logging.getLogger(__name__)

BETWEEN_EDITS = 3.0  # seconds; Telegram counts an edit like a message
FAILED_SHOWN = 10
ROUNDED = 5  # seconds left are rounded up to a multiple of this


class Boards:
    """The boards of the live sessions, each in its teacher's chat."""

    def __init__(self, classroom: Classroom, between_edits: float = BETWEEN_EDITS) -> None:
        self._between_edits = timedelta(seconds=between_edits)
        self._classroom = classroom
        self._side = classroom.teacher
        self._shown: dict[str, tuple[str, datetime]] = {}  # by session: the text on the screen, since when

    async def begin(self, session: Session, *, again: bool = False) -> None:
        """Send a session's code and its board, once; ``again``: after it was reopened, below the older messages."""
        person, now = session.teacher, self._classroom.clock.now()
        _ = self._side.texts(person)
        code = await self._classroom.store.code(session.id, now)
        text, keyboard = await self._drawn(session)
        slots = _code_slot(session.id), _board_slot(session.id)
        strips = [Item(person, "strip", slot=slot, lane=NOTICE) for slot in slots] if again else []
        save = [[Button(_("Save This Place"), f"save:{session.id}")]]
        claim = None if again else (lambda: self._side.claims.claim(f"opened:{session.id}", now))
        coded = []
        if code is not None:  # None: the session ended before its board was sent
            code_text, link = self._code_text(session, code), self.link(code)
            coded = [
                Item(person, "send", _("The session is open."), ask="nothing", lane=NOTICE),
                Item(person, "photo", code_text, save, slots[0], NOTICE, qr=link),
            ]
        board = Item(person, "send", text, keyboard, slots[1], NOTICE)
        if await self._side.outbox.put(*strips, *coded, board, when=claim):
            self._shown[session.id] = (text, now)

    async def show_code(self, session: Session, code: str) -> None:
        _ = self._side.texts(session.teacher)
        save = [[Button(_("Save This Place"), f"save:{session.id}")]]
        text, slot = self._code_text(session, code), _code_slot(session.id)
        await self._side.outbox.put(Item(session.teacher, "amend", text, save, slot, NOTICE, qr=self.link(code)))

    def _code_text(self, session: Session, code: str) -> str:
        _ = self._side.texts(session.teacher)
        text = _("Code: <b>{code}</b>\nStudents open {link} or send the code to @{bot}.")
        return text.format(code=_spaced(code), link=self.link(code), bot=self._classroom.student.username)

    def link(self, code: str) -> str:
        return f"https://t.me/{self._classroom.student.username}?start={code}"

    async def show(self, session: Session, *, anew: bool = False) -> None:
        """Show a session's current board; ``anew``: as a new message below."""
        text, keyboard = await self._drawn(session)
        self._shown[session.id] = (text, self._classroom.clock.now())
        slot = _board_slot(session.id)
        items = [Item(session.teacher, "strip", slot=slot)] if anew else []
        action: Action = "send" if anew else "amend"
        await self._side.outbox.put(*items, Item(session.teacher, action, text, keyboard, slot=slot, lane=NOTICE))

    async def refresh(self, session: Session) -> None:
        """Update the board if it changed and the last edit is old enough."""
        text, since = self._shown.get(session.id, ("", datetime.min.replace(tzinfo=session.opened_at.tzinfo)))
        if self._classroom.clock.now() - since < self._between_edits:
            return
        drawn, _keyboard = await self._drawn(session)
        if drawn != text:
            await self.show(session)
        else:
            self._shown[session.id] = (text, self._classroom.clock.now())

    def forget(self, session_id: str) -> None:
        self._shown.pop(session_id, None)

    async def _drawn(self, session: Session) -> tuple[str, Keyboard]:
        now = self._classroom.clock.now()
        overview = await read_overview(self._classroom, session)
        _ = self._side.texts(session.teacher)
        state = state_of(session, now, timedelta(seconds=self._classroom.settings.checkin_grace_seconds))
        lines = [title(session)]
        lines += await self._state_lines(_, session, state, now)
        if state is not SessionState.CANCELLED:
            lines += _counts(_, overview, state, checks_faces=self._classroom.settings.face_engine != "none")
        return split(lines)[0], _keyboard(_, overview, state)

    async def _state_lines(self, _: Texts, session: Session, state: SessionState, now: datetime) -> list[str]:
        if state is SessionState.CANCELLED:
            return [_("Cancelled: nothing is recorded.")]
        if state is not SessionState.OPEN:
            ended_at = end_of(session).astimezone(self._classroom.settings.zone)
            return [_("Closed at {time}.").format(time=f"{ended_at:%H:%M}")]
        left = max(0, int((session.closes_at - now).total_seconds()))
        left = -(-left // ROUNDED) * ROUNDED
        code = await self._classroom.store.code(session.id, now) or ""
        return [_("Code: <b>{code}</b>, {seconds} s left").format(code=_spaced(code), seconds=left)]


def _board_slot(session_id: str) -> str:
    return f"board:{session_id}"


def _code_slot(session_id: str) -> str:
    return f"code:{session_id}"


def _spaced(code: str) -> str:
    """Return a code in two halves, which is easier to read out."""
    return f"{code[:3]} {code[3:]}"


def _counts(_: Texts, overview: SessionOverview, state: SessionState, *, checks_faces: bool) -> list[str]:
    """Return the lines with numbers and names; ``checks_faces``: with the IDs of those whose face was not checked."""
    present = [len(overview.marked.get(status, [])) for status in (Status.PRESENT, Status.LATE)]
    lines = [_("In: {number} of {all}").format(number=sum(present), all=overview.students)]
    lines += [
        f"{status_word(_, status)}: {len(overview.marked[status])}"
        for status in (Status.LATE, Status.EXCUSED)
        if status in overview.marked
    ]
    on_the_way = [each for each in overview.waiting(CheckInStep.PLACE) if each.distance is None]
    on_the_way += overview.waiting(CheckInStep.CHECKING, CheckInStep.FACE)
    if on_the_way:
        lines.append(_("Being checked: {number}").format(number=len(on_the_way)))
    if waiting := len(overview.waiting(CheckInStep.CONFIRM)):
        lines.append(_("Waiting for you: {number}").format(number=waiting))
    failed = overview.waiting(CheckInStep.PLACE, CheckInStep.EXPIRED, CheckInStep.REJECTED)
    failed = [each for each in failed if each not in on_the_way]
    closer = overview.waiting(CheckInStep.REVIEW)
    closer += [each for each in overview.waiting(CheckInStep.CONFIRM) if checks_faces or each.note == faces.NO_FACE]
    for heading, each in ((_("Look at these:"), closer), (_("Not completed:"), failed)):
        if each:
            ids = checks_faces and each is closer
            named = [f"- {_who(overview, one, with_id=ids)}: {note_text(_, one)}" for one in each[:FAILED_SHOWN]]
            more = [_("and {number} more").format(number=len(each) - FAILED_SHOWN)] if len(each) > FAILED_SHOWN else []
            lines += [heading, *named, *more]
    lines.append(_("Missing: {number}").format(number=len(overview.missing)))
    return lines + refused_lines(_, overview)


def _who(overview: SessionOverview, check_in: CheckIn, *, with_id: bool) -> str:
    name = short(overview.name(check_in.student_id), 80)
    return f"{name} {short(check_in.student_id, 64)}" if with_id else name


def _keyboard(_: Texts, overview: SessionOverview, state: SessionState) -> Keyboard:
    key = overview.session.id
    if state is SessionState.CANCELLED:
        return []
    keyboard: Keyboard = []
    if waiting := overview.waiting(CheckInStep.CONFIRM):
        keyboard.append([Button(_("Confirm All ({number})").format(number=len(waiting)), f"all:{key}")])
    if overview.waiting(CheckInStep.CONFIRM, CheckInStep.REVIEW):
        keyboard.append([Button(_("Check One by One"), f"checks:{key}")])
    if any(sheet.refused for sheet in overview.sheets):
        keyboard.append([Button(_("Try Again"), f"again:{key}")])
    hand = Button(_("Mark by Hand"), f"hands:{key}")
    if state is SessionState.OPEN:
        # the end that is shown goes with the button, so that a second tap does not extend again
        extend = Button(_("Extend"), f"extend:{key}:{int(overview.session.closes_at.timestamp())}")
        keyboard.append([extend, Button(_("Close Now"), f"close:{key}")])
        keyboard.append([hand, Button(_("Cancel Session"), f"cancel:{key}")])
    else:
        keyboard.append([hand, Button(_("Reopen"), f"reopen:{key}")])
        keyboard.append([Button(_("Send Report"), f"report:{key}")])
    return keyboard
