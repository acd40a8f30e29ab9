"""Marks or reports the open lessons of one student, and reports what became of them.

The intent is written to the journal before a click, so that each mark is reported exactly once, also after a crash
between click and confirmation. A lesson that opens again on the same day is told apart nowhere yet: its key
(portal/lessons.py) finds the same row of the journal. Used on the monitor's thread only.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from core.clock import Clock
from lessons.clicks import Clicks
from lessons.events import CloseReason, Event, StatusEvent
from lessons.journal import Lessons
from portal.errors import PageChanged
from portal.lessons import Lesson
from portal.session import PortalClient
from portal.views import Reading
from storage import Mode, account_key

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LessonRecords:
    """Where a student's lessons are recorded: the journal, the Telegram ID, and the zone of a lesson's date."""

    journal: Lessons
    student: int = 0
    zone: ZoneInfo = ZoneInfo("Asia/Almaty")  # noqa: RUF009  # immutable


@dataclass(eq=False)
class Marking:
    """One student's open lessons. ``portal_url`` is part of a lesson's identity; ``report`` takes status events."""

    _username: str
    mode: Mode
    _portal_url: str
    _records: LessonRecords
    _clock: Clock
    _on_attendance_found: Callable[[str, str, Lesson], None]
    _report: Callable[[StatusEvent], None]
    _open: dict[str, Lesson] = field(default_factory=dict)  # open in the last reading
    _requested: set[str] = field(default_factory=set)  # lessons that the student asked to mark
    _logged: set[str] = field(default_factory=set)  # open lessons that are in the log
    _troubled: set[str] = field(default_factory=set)  # open lessons during which the page could not be read
    _loaded: bool = False  # the lessons of an earlier process

    def __post_init__(self) -> None:
        self._clicks = Clicks(self._records.student, self._clock, self._report)

    def request(self, key: str | None) -> None:
        """Mark the open lesson with this key, or every open one, at the next reading."""
        self._requested |= {key} if key is not None else set(self._open)

    def note_trouble(self) -> None:
        """Note that the page can't be read now: this is the reason if an open lesson closes meanwhile."""
        self._troubled |= set(self._open)

    def forget_open(self) -> None:
        """Forget the open lessons, so that nothing is reported of them while the monitor rests."""
        self._open, self._loaded = {}, True
        self._requested.clear()
        self._clicks.tries.clear()

    def has_open(self) -> bool:
        """Say whether a lesson is open that the student may want to mark."""
        return bool(self._open)

    def clicks_again_at(self) -> float | None:
        """Return when an unconfirmed click is repeated (monotonic); None if there is none."""
        waiting = (tries.next_at for key, tries in self._clicks.tries.items() if self._is_to_be_marked(key))
        return min(waiting, default=None)

    def process(self, portal: PortalClient, reading: Reading) -> None:
        """Mark, report or confirm each lesson that the page shows.

        Raises PageChanged where a card moved away under a click (the others are done), and what ``mark`` raises.
        """
        today = self._clock.now().astimezone(self._records.zone).date()
        account = account_key(self._username)
        cards = [(card.lesson.identified(self._portal_url, account, today), card.enabled) for card in reading.cards]
        shown = {lesson.key: lesson for lesson, _ in cards}
        self._load_unsettled(today.isoformat())
        self._report_closed(shown)
        for lesson, enabled in cards:
            if not enabled:
                self._handle_marked(lesson)
        self._open = {lesson.key: lesson for lesson, enabled in cards if enabled}
        moved: PageChanged | None = None
        for lesson, enabled in cards:
            if enabled:
                try:
                    self._handle_open(portal, lesson, today.isoformat())
                except PageChanged as changed:  # concerns this card only: go on with the others
                    moved = changed
        if moved is not None:
            raise moved

    def _load_unsettled(self, today: str) -> None:
        """On the first reading, load the lessons that a previous process left unresolved: they may have closed."""
        if self._loaded:
            return
        for row in self._records.journal.unsettled(self._records.student, today):
            self._open.setdefault(row.key, Lesson(row.subject, row.teacher, row.time, key=row.key))
            self._troubled.add(row.key)
        self._loaded = True

    def _handle_open(self, portal: PortalClient, lesson: Lesson, today: str) -> None:
        now = self._clock.now()
        if lesson.key not in self._logged:
            self._logged.add(lesson.key)
            log.info("monitor %s: lesson %s, open", self._records.student, lesson.key)
        self._records.journal.seen(
            lesson.key, self._records.student, today, lesson.subject, lesson.teacher, lesson.time, now
        )
        if not self._is_to_be_marked(lesson.key):
            self._on_attendance_found(self._username, "found", lesson)
        elif self._clicks.is_due(lesson.key):
            self._records.journal.intend(lesson.key, now)
            if self._clicks.press(portal, lesson):
                self._handle_marked(lesson)

    def _is_to_be_marked(self, key: str) -> bool:
        return self.mode == "automatic" or key in self._requested

    def _handle_marked(self, lesson: Lesson) -> None:
        """Report a marked lesson once: as marked where the journal has our intent, else as marked elsewhere."""
        was_open = self._open.pop(lesson.key, None) is not None
        requested = lesson.key in self._requested
        self._drop(lesson.key)
        if self._records.journal.confirm(lesson.key, self._clock.now()):
            log.info("monitor %s: lesson %s, marked", self._records.student, lesson.key)
            self._on_attendance_found(self._username, "marked", lesson)
        elif was_open or requested:
            row = self._records.journal.get(lesson.key)
            if row is None or row.marked_at is None:
                self._report(StatusEvent(Event.LESSON_MARKED_ELSEWHERE, lesson=lesson))

    def _report_closed(self, shown: dict[str, Lesson]) -> None:
        for key, lesson in self._open.items():
            if key not in shown:
                reason = self._close_reason(key)
                log.info("monitor %s: lesson %s, closed unmarked (%s)", self._records.student, key, reason.value)
                words = self._clicks.tries[key].words if key in self._clicks.tries else ""
                self._report(StatusEvent(Event.LESSON_CLOSED, reason.value, lesson, words=words))
        for key in {*self._open, *self._requested, *self._clicks.tries, *self._troubled, *self._logged} - set(shown):
            self._drop(key)

    def _close_reason(self, key: str) -> CloseReason:
        row = self._records.journal.get(key)
        if key in self._clicks.tries or (row is not None and row.intended_at is not None):
            return CloseReason.NOT_CONFIRMED
        if key in self._troubled:
            return CloseReason.TROUBLE
        return CloseReason.NOT_PRESSED if self.mode == "manual" else CloseReason.TOO_SHORT

    def _drop(self, key: str) -> None:
        self._requested.discard(key)
        self._clicks.tries.pop(key, None)
        self._troubled.discard(key)
        self._logged.discard(key)
