"""Marks or reports the open lessons of one student, and reports what became of them.

The intent is written to the journal before a click, so that each mark is reported exactly once, also after a crash
between click and confirmation. Only a load ends a round (``lessons.rounds``): what a redraw of the open page hides or
disables may be back a moment later. Used on the monitor's thread only.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.clock import Clock
from core.logs import brief
from core.sqlite import DatabaseUnavailable
from lessons.clicks import Clicks
from lessons.events import CloseReason, Event, StatusEvent
from lessons.journal import LessonRow, Lessons
from lessons.metrics import LessonMetrics
from lessons.rounds import CARRIED_OVER, ShownLesson, lessons_shown
from portal.errors import NotPressed, PageChanged, PortalError
from portal.lessons import Lesson
from portal.session import PortalClient
from portal.views import Reading
from storage import Mode, account_key

log = logging.getLogger(__name__)

QUICK_LOADS = 3  # of a page that seems to have changed what it shows of a lesson
ELSEWHERE = "elsewhere"  # in the journal and the metrics: a round that ended with a mark that is not ours


@dataclass(frozen=True)
class LessonRecords:
    """Where a student's lessons are recorded: the journal, the Telegram ID, the zone of a lesson's date, metrics."""

    journal: Lessons
    student: int = 0
    zone: ZoneInfo = ZoneInfo("Asia/Almaty")  # noqa: RUF009  # immutable
    metrics: LessonMetrics = field(default_factory=LessonMetrics)


@dataclass
class OpenLesson:
    """A lesson that this process saw open, and that no load has shown otherwise."""

    lesson: Lesson
    since: datetime
    offered: bool = False  # reported as found
    tried: bool = False  # to press its button
    still_open: bool | None = None  # after the last click that reached the button; None: none did, unknown counts as no
    troubled: bool = False  # the page could not be read meanwhile


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
    _open: dict[str, OpenLesson] = field(default_factory=dict)
    _requested: set[str] = field(default_factory=set)  # lessons that the student asked to mark
    _quiet: set[str] = field(default_factory=set)  # open when the rest began: their end is not reported
    _failed: set[str] = field(default_factory=set)  # lessons with an unforeseen error
    needs_load: bool = False  # only a load can tell what became of a lesson: the open page contradicts the last one
    _quick_loads: int = 0  # since the last regular one
    _loaded: bool = False  # the first load is processed, and with it what an earlier process left
    _read_at: datetime | None = None  # when the page was last read, and showed no lesson that is not in ``_open``

    def __post_init__(self) -> None:
        self._clicks = Clicks(self._records.student, self._records.journal, self._clock, self._report)
        self.metrics = self._records.metrics

    def request(self, key: str | None) -> None:
        """Mark the open lesson with this key, or every open one, at the next reading."""
        self._requested |= {key} if key is not None else set(self._open)

    def note_trouble(self) -> None:
        """Note that the page can't be read now: it may be the reason if an open lesson closes meanwhile."""
        for each in self._open.values():
            each.troubled = True

    def forget_open(self) -> None:
        """Forget the open lessons, so that nothing is reported of them while the monitor rests."""
        self._quiet |= set(self._open)
        self._loaded, self._read_at = True, None
        self._open.clear()
        self._requested.clear()
        self._clicks.tries.clear()

    def has_open(self) -> bool:
        """Say whether a lesson is open that the student may want to mark."""
        return bool(self._open)

    def nothing_new(self, now: datetime) -> None:
        """Note that the page would show now what it showed at the last reading."""
        self._read_at = now

    def clicks_again_at(self) -> float | None:
        """Return when an unconfirmed click is repeated (monotonic); None if there is none."""
        waiting = (tries.next_at for key, tries in self._clicks.tries.items() if self._is_to_be_marked(key))
        return min(waiting, default=None)

    def process(self, portal: PortalClient, reading: Reading, loaded: bool) -> None:
        """Mark, report or confirm each lesson that the page shows.

        ``loaded``: the reading is of a page that was just loaded, not of one that changed by itself. Raises
        PageChanged where a card moved away under a click (the others are done), and what ``mark`` raises.
        """
        now = self._clock.now().astimezone(self._records.zone)
        rows = self._records.journal.recent(self._records.student, (now - timedelta(days=1)).date().isoformat())
        # the state of a card without a known button is not known: its lesson is neither closed nor doubted
        cards = [*reading.cards, *reading.strange]
        every = lessons_shown(cards, rows, self._identify, now, set(self._open))
        keys, labels = {each.lesson.key for each in every}, {card.lesson.label for card in reading.cards}
        shown = [each for each in every if each.lesson.label in labels]
        if loaded:
            self._quick_loads = self._quick_loads + 1 if self.needs_load else 0
            self.needs_load = False
            self._end_rounds(rows, keys, now)
            self._requested &= keys
        elif set(self._open) - keys:
            self._doubt()
        moved: PageChanged | None = None
        for each in sorted(shown, key=lambda each: each.enabled):
            try:
                with self._alone(each.lesson):
                    if each.enabled:
                        self._handle_open(portal, each, loaded, now)
                    else:
                        self._handle_disabled(each, loaded, now)
            except PageChanged as changed:  # concerns this card only: go on with the others
                moved = changed
        self._read_at = now
        if moved is not None:
            raise moved

    @contextmanager
    def _alone(self, lesson: Lesson) -> Iterator[None]:
        """Log an unforeseen error with one lesson, and report it to the admin: the other lessons go on."""
        try:
            yield
        except (PortalError, DatabaseUnavailable, OSError, MemoryError):  # concern all lessons
            raise
        except Exception as error:
            if lesson.key not in self._failed:
                self._failed.add(lesson.key)
                log.exception("monitor %s: lesson %s failed", self._records.student, lesson.key)
                self._report(StatusEvent(Event.RESTARTED, brief(error), lesson))

    def _identify(self, lesson: Lesson, day: date, number: int) -> Lesson:
        return lesson.identified(self._portal_url, account_key(self._username), day, number)

    def _doubt(self) -> None:
        """Have the page loaded soon, a few times: it shows of a lesson what no load has shown yet."""
        self.needs_load = self._quick_loads < QUICK_LOADS

    def _handle_open(self, portal: PortalClient, shown: ShownLesson, loaded: bool, now: datetime) -> None:
        lesson, row, journal = shown.lesson, shown.row, self._records.journal
        if row is not None and not loaded and (row.over_at or row.marked_at):
            self._doubt()  # open again, or only a redraw
            return
        if lesson.key not in self._open:
            log.info("monitor %s: lesson %s, open", self._records.student, lesson.key)
            if self._read_at is not None:
                self.metrics.detection.observe(max(0.0, (now - self._read_at).total_seconds()))
        seen = self._open.setdefault(lesson.key, OpenLesson(lesson, now))
        self._quiet.discard(lesson.key)
        day = now.date().isoformat()
        row = journal.seen(lesson.key, self._records.student, day, *lesson.label, now, shown.round)
        if row.requested_at or row.marked_at:  # also by an earlier process
            self._requested.add(lesson.key)
        if not self._is_to_be_marked(lesson.key):
            seen.offered |= lesson.minutes_left != 0
            self._on_attendance_found(self._username, "found", lesson)
        elif self._clicks.is_due(lesson.key):
            journal.intend(lesson.key, now)
            before, seen.tried, seen.still_open = seen.still_open, True, False
            try:
                seen.still_open = not self._clicks.press(portal, lesson, row)
            except NotPressed:
                seen.still_open = before
                raise
            if not seen.still_open:
                self._handle_marked(lesson)

    def _is_to_be_marked(self, key: str) -> bool:
        return self.mode == "automatic" or key in self._requested

    def _handle_disabled(self, shown: ShownLesson, loaded: bool, now: datetime) -> None:
        key = shown.lesson.key
        if loaded:
            self._handle_marked(shown.lesson)
            row = self._records.journal.get(key)
            self._records.journal.end_round(key, now, ELSEWHERE if row is not None and row.marked_at is None else None)
        elif key in self._open or key in self._requested:
            self._doubt()

    def _handle_marked(self, lesson: Lesson) -> None:
        """Report a marked lesson once: as marked where the journal has our intent, else as marked elsewhere."""
        seen, now = self._open.pop(lesson.key, None), self._clock.now()
        self._requested.discard(lesson.key)
        self._clicks.tries.pop(lesson.key, None)
        if self._records.journal.confirm(lesson.key, now):
            self.metrics.marked(self.mode, now - seen.since if seen is not None else None)
            log.info("monitor %s: lesson %s, marked", self._records.student, lesson.key)
            self._on_attendance_found(self._username, "marked", lesson)
            return
        row = self._records.journal.get(lesson.key)
        if row is not None and row.marked_at is None and row.over_at is None:  # seen open, maybe by an earlier process
            self.metrics.ended(ELSEWHERE)
            self._report(StatusEvent(Event.LESSON_MARKED_ELSEWHERE, lesson=lesson))

    def _end_rounds(self, rows: list[LessonRow], shown: set[str], now: datetime) -> None:
        """End the rounds that a load does not show; report those without a mark, also of an earlier process."""
        for row in rows:
            key, why, unsettled = row.key, row.over_why, row.marked_at is None and row.closed_at is None
            seen = self._open.get(key)
            if row.over_at is None and key not in shown:
                requested = key in self._requested or row.requested_at is not None
                told = unsettled and key not in self._quiet
                why = close_reason(row, self.mode, seen, requested).value if told else None
                self._records.journal.end_round(key, now, why)
            elif row.over_at is None or self._loaded:
                continue  # not over, or reported by this process
            fresh = seen is not None or now - datetime.fromisoformat(row.seen_at) < CARRIED_OVER
            if unsettled and why is not None and fresh:
                lesson = seen.lesson if seen else Lesson(row.subject, row.teacher, row.time, key=key)
                log.info("monitor %s: lesson %s, closed unmarked (%s)", self._records.student, key, why)
                self.metrics.ended(why)
                event = Event.LESSON_MARKED_ELSEWHERE if why == ELSEWHERE else Event.LESSON_CLOSED
                words = self._clicks.tries[key].words if key in self._clicks.tries else row.answer
                self._report(StatusEvent(event, why, lesson, words=words))
            self._quiet.discard(key)
            self._open.pop(key, None)
            self._clicks.tries.pop(key, None)
        self._loaded = True


def close_reason(row: LessonRow, mode: Mode, seen: OpenLesson | None, requested: bool) -> CloseReason:
    """Return why a lesson closed without our mark. ``seen``: what this process knows of it."""
    if seen is not None and seen.still_open is not None:
        return CloseReason.NOT_CONFIRMED if seen.still_open else CloseReason.TAKEN_AWAY
    if seen is not None and seen.tried:
        return CloseReason.NOT_PRESSABLE
    if row.intended_at is not None:
        return CloseReason.NOT_CONFIRMED if row.answer else CloseReason.INTERRUPTED
    if mode == "manual" and not requested and (row.offered or (seen is not None and seen.offered)):
        return CloseReason.NOT_PRESSED
    if seen is None:
        return CloseReason.AWAY
    if seen.troubled:
        return CloseReason.TROUBLE
    return CloseReason.TOO_LATE if requested else CloseReason.TOO_SHORT
