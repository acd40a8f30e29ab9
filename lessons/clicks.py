"""When the open lessons of one student are clicked: quickly at first, rarely after clicks that are not confirmed.

These are counted in the journal, with the portal's answer, so that a restart of ours begins no new quick ones.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from core.clock import Clock
from lessons.events import Event, StatusEvent
from lessons.journal import LessonRow, Lessons
from portal.errors import NotPressed, PageChanged, PortalError, SessionLost, UnknownView
from portal.lessons import Lesson
from portal.session import PortalClient
from portal.views import LONGEST_TEXT

log = logging.getLogger(__name__)

QUICK = 3  # clicks on a lesson, after which it is reported that none of them was confirmed
QUICKLY = 1.0  # seconds between them
RARELY = 30.0  # seconds between later clicks
VERY_RARELY = 60.0  # the same where each click costs the session, and so a sign-in


@dataclass
class Tries:
    """The unconfirmed clicks on one lesson, also by an earlier process."""

    clicks: int = 0
    next_at: float = 0.0  # monotonic
    words: str = ""  # the portal's last answer
    reported: bool = False


@dataclass(eq=False)
class Clicks:
    """Clicks open lessons and counts what is not confirmed. After three such clicks MARK_REFUSED is reported, once."""

    _student: int
    _journal: Lessons
    _clock: Clock
    _report: Callable[[StatusEvent], None]
    tries: dict[str, Tries] = field(default_factory=dict)  # of the lessons that this process clicked

    def is_due(self, key: str) -> bool:
        return key not in self.tries or self._clock.monotonic() >= self.tries[key].next_at

    def press(self, portal: PortalClient, lesson: Lesson, row: LessonRow) -> bool:
        """Click a lesson; True if the page confirms it. Raises as ``portal.mark``."""
        tries = self.tries.setdefault(lesson.key, Tries(row.unconfirmed, words=row.answer))
        tries.clicks += 1
        log.info("monitor %s: lesson %s, click %d", self._student, lesson.key, tries.clicks)
        try:
            click = portal.mark(lesson)
        except PortalError as error:
            self._count(portal, lesson, error.words, error)
            raise
        if not click.confirmed:
            self._count(portal, lesson, click.words)
            if not portal.close_window():
                raise PageChanged("a window on the page can't be closed")
        return click.confirmed

    def _count(self, portal: PortalClient, lesson: Lesson, words: str, error: PortalError | None = None) -> None:
        tries = self.tries[lesson.key]
        log.warning("monitor %s: lesson %s, click not confirmed: %s", self._student, lesson.key, words or error)
        tries.words = words or tries.words
        rarely = VERY_RARELY if isinstance(error, SessionLost) else RARELY
        tries.next_at = self._clock.monotonic() + (QUICKLY if tries.clicks < QUICK else rarely)
        if tries.clicks >= QUICK and not tries.reported:
            readable = error is None or isinstance(error, PageChanged | UnknownView)
            kind, picture, source = portal.evidence() if readable else ("", None, "")
            self._report(StatusEvent(Event.MARK_REFUSED, tries.words, lesson, kind, picture, source))
            tries.reported = True
        self._journal.refused(lesson.key, "" if isinstance(error, NotPressed) else words[:LONGEST_TEXT])
