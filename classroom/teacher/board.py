"""The board of a session, a message that is edited: who is in, who is being checked, who failed and why, time left."""

import asyncio
import logging
from collections import defaultdict
from datetime import datetime, timedelta
from html import escape

from classroom.domain.face_policy import is_reviewed
from classroom.domain.location_policy import is_uncertain
from classroom.domain.sessions import CheckIn, CheckInStep, Session, SessionState, Status, end_of, state_of
from classroom.overview import Group, SessionOverview, day_of, note_text, read_overview, title
from classroom.reports.texts import record_lines, refused_lines
from classroom.services import Classroom
from classroom.student.texts import status_word
from classroom.teacher.manual_marks import SCREEN
from telegram_app.i18n import Texts
from telegram_app.lines import LONGEST_CAPTION, LONGEST_MESSAGE, bold, split
from telegram_app.outbox import ANSWER, NOTICE, Button, Item, Keyboard
from telegram_app.outbox_table import Action
from telegram_app.pages import page_of

log = logging.getLogger(__name__)

BETWEEN_EDITS = 3.0  # seconds; Telegram counts an edit like a message
LONGEST_BATCHES = 150  # characters, in a picture's caption
NAMES_SHOWN = 30  # of each group; all names have their own pages
ROUNDED = 5  # seconds left are rounded up to a multiple of this


class Boards:
    """The boards of the live sessions, each in its teacher's chat."""

    def __init__(self, classroom: Classroom, between_edits: float = BETWEEN_EDITS) -> None:
        self._between_edits = timedelta(seconds=between_edits)
        self._classroom = classroom
        self._side = classroom.teacher
        self._shown: dict[str, tuple[str, datetime]] = {}  # by session: the text on the screen, since when
        # of two draws of one session at once, the one that read older records must not be queued last
        self._drawing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def link(self, code: str) -> str:
        return f"https://t.me/{self._classroom.student.username}?start={code}"

    async def show(self, session: Session, *, anew: bool = False, rings: bool = False, lane: int = ANSWER) -> None:
        """Show a session's current board; ``anew``: as a new message below, the old one is deleted."""
        async with self._drawing[session.id]:
            items = await self._items(session, anew=anew, rings=rings, lane=lane)
            if items:
                self._shown[session.id] = (items[-1].text, self._classroom.clock.now())
                await self._side.outbox.put(*items)

    async def _items(
        self, session: Session, *, anew: bool = False, rings: bool = False, lane: int = ANSWER
    ) -> list[Item]:
        """Return what shows the board: the code's QR picture with a caption, or a text once the session has ended.

        Nothing while an open session has no valid code: the keeper gives it one, and shows the board.
        """
        store, now = self._classroom.store, self._classroom.clock.now()
        code = await store.code(session.id, now)  # first: a session that was read before may have ended since
        session = await store.session(session.id) or session
        text, keyboard, is_open = await self._drawn(session, code, now)
        if is_open and code is None and not session.without_phones:
            return []
        slots = board_slots(session.id)
        slot = slots[0] if is_open else slots[1]
        old = [Item(session.teacher, "delete", slot=each, lane=lane) for each in slots if anew or each != slot]
        qr = self.link(code) if is_open and code is not None else None
        action: Action = "edit" if not anew else "photo" if qr is not None else "send"
        return [*old, Item(session.teacher, action, text, keyboard, slot, lane, qr=qr, quiet=not rings)]

    async def show_names(self, session: Session, page: int, *, anew: bool = False) -> None:
        """Show all students by where they are, on as many pages as Telegram's limit needs."""
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        lines = [line for group, names, _more in self._groups(_, overview) for line in (bold(group), *names)]
        shown = page_of(split(lines), page, 1)
        keyboard = [*shown.turns(_, f"names:{session.id}"), [Button(_("Done"), f"done:{session.id}")]]
        old = [Item(session.teacher, "delete", slot=SCREEN)] if anew else []
        item = Item(session.teacher, "send" if anew else "edit", shown.shown[0], keyboard, slot=SCREEN)
        await self._side.outbox.put(*old, item)

    async def refresh(self, session: Session) -> None:
        """Update the board if it changed and the last edit is old enough."""
        now = self._classroom.clock.now()
        _text, since = self._shown.get(session.id, ("", None))
        if since is not None and now - since < self._between_edits:
            return
        async with self._drawing[session.id]:
            items = await self._items(session, lane=NOTICE)
            if not items:
                return
            text, _since = self._shown.get(session.id, ("", None))
            self._shown[session.id] = (items[-1].text, now)
            if items[-1].text != text:
                await self._side.outbox.put(*items)

    def forget(self, session_id: str) -> None:
        self._shown.pop(session_id, None)
        self._drawing.pop(session_id, None)

    async def _drawn(self, session: Session, code: str | None, now: datetime) -> tuple[str, Keyboard, bool]:
        """Return the board's text, its buttons, and whether the session is open."""
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        state = state_of(session, now, timedelta(seconds=self._classroom.settings.checkin_grace_seconds))
        if state is SessionState.CANCELLED:
            return title(session) + "\n" + _("Cancelled: nothing is recorded."), [], False
        is_open = state is SessionState.OPEN
        head = [title(session, LONGEST_BATCHES if is_open else 600)]
        is_past = session.date != self._classroom.today.isoformat()
        head += [day_of(session)] if is_past else []
        if is_open and session.without_phones:
            head.append(_("Without phones: taken by hand."))
        elif is_open:
            head += self._open_lines(_, session, code, now)
        else:
            ended_at = end_of(session).astimezone(self._classroom.settings.zone)
            head.append(_("Closed at {time}.").format(time=f"{ended_at:%H:%M}"))
        head += [*refused_lines(_, overview), *record_lines(_, overview)]
        groups = self._groups(_, overview)
        for most in range(NAMES_SHOWN, -1, -1):  # as many names as fit into a picture's caption
            pages = split([*head, *_counted(_, groups, most)], LONGEST_CAPTION if is_open else LONGEST_MESSAGE)
            if len(pages) == 1:
                break
        return pages[0], _keyboard(_, overview, state, is_past=is_past), is_open

    def _open_lines(self, _: Texts, session: Session, code: str | None, now: datetime) -> list[str]:
        left = max(0, int((session.closes_at - now).total_seconds()))
        left = -(-left // ROUNDED) * ROUNDED
        lines = [_("Code: <b>{code}</b>, {seconds} s left").format(code=_spaced(code or ""), seconds=left)]
        if code is not None:
            text = _("Students open {link} or send the code to @{bot}.")
            lines.append(text.format(link=self.link(code), bot=self._classroom.student.username))
        if is_uncertain(session.place):
            text = _("The place is uncertain: who is not within {limit} m waits for you. {button} corrects it.")
            limit = self._classroom.settings.location_distance_limit_meters
            lines.append(text.format(limit=f"{limit:g}", button=_("Change Place")))
        return lines

    def _groups(self, _: Texts, overview: SessionOverview) -> list[tuple[str, list[str], bool]]:
        """Return each group's number, its students with their reasons, and whether these stand on the board."""
        groups = overview.groups()

        def named(group: Group) -> list[str]:
            found = [(each, there) for each in groups[group] if (there := overview.check_in_of(each)) is not None]
            found.sort(key=lambda each: each[1].step is CheckInStep.CONFIRM)
            return [f"- {escape(overview.name(each, 80))}: {note_text(_, there)}" for each, there in found]

        def plain(students: list[str]) -> list[str]:
            return [f"- {escape(overview.name(each))}" for each in students]

        def by_id(there: CheckIn, note: str = "") -> str:
            return f"- {escape(overview.name(there.student_id, 80, with_id=True))}{note}"

        late = [each for each in groups[Group.IN] if overview.status(each) is Status.LATE]
        first = _("In: {number} of {all}").format(number=len(groups[Group.IN]), all=overview.students)
        first += f" ({status_word(_, Status.LATE)}: {len(late)})" if late else ""
        found = [(first, plain(groups[Group.IN]), False)]
        for status in (Status.EXCUSED, Status.ABSENT):
            if students := [each for each in groups[Group.BY_HAND] if overview.status(each) is status]:
                found.append((f"{status_word(_, status)}: {len(students)}", plain(students), False))
        if overview.checks_faces:
            groups[Group.WAITING], review = [], overview.waiting(CheckInStep.REVIEW)
            for text, names, is_shown in (
                (_("To look at: {number}"), [by_id(each, f": {note_text(_, each)}") for each in review], True),
                (_("Clearly the student: {number}"), [*map(by_id, overview.clear)], False),
                (_("Without a face check: {number}"), [*map(by_id, overview.unchecked)], True),
            ):
                found += [(text.format(number=len(names)), names, is_shown)] if names else []
        for text, group, is_shown in (
            (_("Waiting for you: {number}"), Group.WAITING, True),
            (_("Not completed: {number}"), Group.NOT_COMPLETED, True),
            (_("On the way: {number}"), Group.ON_THE_WAY, False),
        ):
            if groups[group]:
                found.append((text.format(number=len(groups[group])), named(group), is_shown))
        missing = groups[Group.NOT_HERE]
        return [*found, (_("Missing: {number}").format(number=len(missing)), plain(missing), False)]


def board_slots(session_id: str) -> tuple[str, str]:
    """Return the slots of a board: with the code, and after the end."""
    return f"board:{session_id}", f"ended:{session_id}"


def _spaced(code: str) -> str:
    """Return a code in two halves, which is easier to read out."""
    return f"{code[:3]} {code[3:]}"


def _counted(_: Texts, groups: list[tuple[str, list[str], bool]], most: int) -> list[str]:
    """Return the groups' numbers, with at most so many names of each group that stands on the board."""
    lines = []
    for heading, names, is_shown in groups:
        lines += [heading, *(names[:most] if is_shown else [])]
        if is_shown and 0 < most < len(names):
            lines.append(_("and {number} more").format(number=len(names) - most))
    return lines


def _keyboard(_: Texts, overview: SessionOverview, state: SessionState, *, is_past: bool) -> Keyboard:
    key, by_hand = overview.session.id, overview.session.without_phones
    keyboard: Keyboard = []
    review = overview.waiting(CheckInStep.REVIEW)
    if overview.clear:
        keyboard.append([Button(_("Confirm All ({number})").format(number=len(overview.clear)), f"all:{key}")])
    if overview.unchecked:
        text = _("Without a Face Check ({number})").format(number=len(overview.unchecked))
        keyboard.append([Button(text, f"unchecked:{key}")])
    if overview.waiting(CheckInStep.CONFIRM, CheckInStep.REVIEW):
        keyboard.append([Button(_("Check One by One"), f"checks:{key}")])
    if review and (overview.checks_faces or any(is_reviewed(each.note) for each in review)):
        keyboard[-1].insert(0, Button(_("Look at Them ({number})").format(number=len(review)), f"look:{key}"))
    if any(sheet.refused or sheet.differing for sheet in overview.sheets):
        keyboard.append([Button(_("Try Again"), f"again:{key}")])
    hand, every = Button(_("Mark by Hand"), f"hands:{key}"), Button(_("All Names"), f"names:{key}")
    marking = [Button(_("Whole Class"), f"class:{key}:new"), hand]
    if state is SessionState.OPEN and by_hand:
        keyboard += [marking, [every, Button(_("Cancel Session"), f"cancel:{key}")]]
        keyboard.append([Button(_("Done"), f"ready:{key}")])
    elif state is SessionState.OPEN:
        # the end that is shown goes with the button, so that a second tap does not extend again
        extend = Button(_("Extend"), f"extend:{key}:{int(overview.session.closes_at.timestamp())}")
        keyboard += [[extend, Button(_("Close Now"), f"close:{key}")], marking]
        keyboard.append([Button(_("Change Place"), f"place:{key}"), Button(_("Save This Place"), f"save:{key}")])
        keyboard.append([every, Button(_("Cancel Session"), f"cancel:{key}")])
    else:
        reopen = [] if by_hand or is_past else [Button(_("Reopen"), f"reopen:{key}")]
        keyboard += [marking, [every, *reopen], [Button(_("Send Report"), f"report:{key}")]]
    return keyboard
