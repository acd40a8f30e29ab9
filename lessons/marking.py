"""What a monitor does with the lessons on the page: mark or report the open ones, tell what became of them.

Intent is written to the journal before a click, so that a mark is told exactly once, also after a crash between
click and confirmation. Used on the monitor's thread alone.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from core.clock import Clock
from lessons.events import Event, StatusEvent, Why
from lessons.journal import LessonRow
from portal.errors import PageChanged
from portal.lessons import Lesson
from portal.session import Portal
from portal.views import Reading
from storage import Mode, account_key

log = logging.getLogger(__name__)

QUICK_RETRIES = 3  # clicks that the portal swallowed are tried again at once, so many times a lesson


class Journal(Protocol):
    """What a monitor writes down of lessons; ``ledger.Lessons`` is one."""

    def seen(
        self, key: str, student: int, local_date: str, subject: str, teacher: str, time: str, at: datetime
    ) -> LessonRow:
        """Record an open lesson once."""

    def get(self, key: str) -> LessonRow | None:
        """Return what is known of a lesson."""

    def unsettled(self, student: int, local_date: str) -> list[LessonRow]:
        """Return a day's lessons of which no end is known."""

    def intend(self, key: str, at: datetime) -> None:
        """Record, before the click, that it will come."""

    def confirm(self, key: str, at: datetime) -> bool:
        """Record the page's confirmation; True the first time."""


class Marking:
    """One student's open lessons, and what became of them."""

    def __init__(
        self,
        username: str,
        student: int,
        mode: Mode,
        portal_url: str,
        zone: ZoneInfo,
        journal: Journal,
        clock: Clock,
        on_attendance_found: Callable[[str, str, Lesson], None],
        tell: Callable[[StatusEvent], None],
    ) -> None:
        """Take the account, where the lessons' identity comes from, the journal, and who hears."""
        self.mode: Mode = mode
        self._username = username
        self._student = student
        self._portal_url = portal_url
        self._zone = zone
        self._journal = journal
        self._clock = clock
        self._on_attendance_found = on_attendance_found
        self._tell = tell
        self._open: dict[str, Lesson] = {}  # what the last reading showed as open
        self._wanted: set[str] = set()  # lessons that the student asked to mark
        self._clicks: dict[str, int] = {}
        self._seen: set[str] = set()  # open lessons that the log has a line of
        self._troubled: set[str] = set()  # open lessons during which the page could not be read
        self._remembered = False

    def want(self, key: str | None) -> None:
        """Mark the open lesson with this key, or every open one, at the next look."""
        self._wanted |= {key} if key is not None else set(self._open)

    def interrupted(self) -> None:
        """Note that the page can't be read now: what closes meanwhile was missed for this reason."""
        self._troubled |= set(self._open)

    def forget_open(self) -> None:
        """Forget what was open: the student skips, or the hours are over, and nothing of it is to be told."""
        self._open, self._remembered = {}, True
        self._wanted.clear()
        self._clicks.clear()

    def offers(self) -> bool:
        """Say whether a lesson is open that somebody may want to mark."""
        return bool(self._open)

    def swallowed(self) -> bool:
        """Say whether a click was not confirmed and is worth another one soon."""
        return any(0 < self._clicks.get(key, 0) <= QUICK_RETRIES for key in self._open)

    def consider(self, portal: Portal, reading: Reading) -> None:
        """Mark, report or confirm each lesson that the page shows.

        Raises:
            PageChanged: a card moved away under a click; the others were dealt with. And what ``Portal.mark`` raises.
        """
        today = self._clock.now().astimezone(self._zone).date()
        account = account_key(self._username)
        cards = [(card.lesson.identified(self._portal_url, account, today), card.enabled) for card in reading.cards]
        shown = {lesson.key: lesson for lesson, _ in cards}
        self._remember(today.isoformat())
        self._tell_closed(shown)
        for lesson, enabled in cards:
            if not enabled:
                self._settle_marked(lesson)
        self._open = {lesson.key: lesson for lesson, enabled in cards if enabled}
        moved: PageChanged | None = None
        for lesson, enabled in cards:
            if enabled:
                try:
                    self._meet(portal, lesson, today.isoformat())
                except PageChanged as changed:  # this card alone: the others are not kept waiting
                    moved = changed
        if moved is not None:
            raise moved

    def _remember(self, today: str) -> None:
        """Take up, at the first look, what an earlier process saw open: it may have closed while nobody looked."""
        if self._remembered:
            return
        for row in self._journal.unsettled(self._student, today):
            self._open.setdefault(row.key, Lesson(row.subject, row.teacher, row.time, key=row.key))
            self._troubled.add(row.key)
        self._remembered = True

    def _meet(self, portal: Portal, lesson: Lesson, today: str) -> None:
        """Deal with an open lesson: mark it where that is wanted, else report it."""
        now = self._clock.now()
        if lesson.key not in self._seen:
            self._seen.add(lesson.key)
            log.info("monitor %s: lesson %s, open", self._student, lesson.key)
        self._journal.seen(lesson.key, self._student, today, lesson.subject, lesson.teacher, lesson.time, now)
        if self.mode == "manual" and lesson.key not in self._wanted:
            self._on_attendance_found(self._username, "found", lesson)
            return
        self._journal.intend(lesson.key, now)
        self._clicks[lesson.key] = self._clicks.get(lesson.key, 0) + 1
        log.info("monitor %s: lesson %s, click %d", self._student, lesson.key, self._clicks[lesson.key])
        if portal.mark(lesson):
            self._settle_marked(lesson)
        else:
            log.warning("monitor %s: lesson %s, click not confirmed", self._student, lesson.key)

    def _settle_marked(self, lesson: Lesson) -> None:
        """Deal with a card that shows "marked": ours where we intended it, told once; else not ours to tell."""
        was_open = self._open.pop(lesson.key, None) is not None
        asked = lesson.key in self._wanted
        self._drop(lesson.key)
        if self._journal.confirm(lesson.key, self._clock.now()):
            log.info("monitor %s: lesson %s, marked", self._student, lesson.key)
            self._on_attendance_found(self._username, "marked", lesson)
        elif was_open or asked:
            row = self._journal.get(lesson.key)
            if row is None or row.marked_at is None:
                self._tell(StatusEvent(Event.LESSON_MARKED_ELSEWHERE, lesson=lesson))

    def _tell_closed(self, shown: dict[str, Lesson]) -> None:
        for key, lesson in self._open.items():
            if key not in shown:
                why = self._why(key)
                log.info("monitor %s: lesson %s, closed unmarked (%s)", self._student, key, why.value)
                self._tell(StatusEvent(Event.LESSON_CLOSED, why.value, lesson))
        for key in {*self._open, *self._wanted, *self._clicks, *self._troubled, *self._seen} - set(shown):
            self._drop(key)

    def _why(self, key: str) -> Why:
        """Say why a lesson closed unmarked."""
        row = self._journal.get(key)
        if self._clicks.get(key, 0) or (row is not None and row.intended_at is not None):
            return Why.NOT_CONFIRMED
        if key in self._troubled:
            return Why.TROUBLE
        return Why.NOT_PRESSED if self.mode == "manual" else Why.TOO_SHORT

    def _drop(self, key: str) -> None:
        self._wanted.discard(key)
        self._clicks.pop(key, None)
        self._troubled.discard(key)
        self._seen.discard(key)
