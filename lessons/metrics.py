"""The metrics of monitoring: checks, what became of open lessons, how long that took. From the monitors' threads."""

from datetime import timedelta

from core.metrics import LONG, Metrics
from lessons.events import CloseReason
from storage import Mode

MARKED = "marked"
# A check ends with these, or with the name of another error of portal/errors.py, which is the one in the log.
_CHECKS = ("ok", "PortalUnavailable", "SessionLost", "UnknownView", "BrowserFailed")


class LessonMetrics:
    """Shared by all monitors of a process."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        declare = metrics or Metrics()
        checks = "Checks of the portal by all monitors, by result: ok, or the error that the log names."
        self._checks = declare.counter("checks", checks, result=_CHECKS)
        outcomes = [MARKED, "elsewhere", *(reason.value for reason in CloseReason)]
        self._lessons = declare.counter("lessons", "Open lessons by what became of them.", outcome=outcomes)
        found = "Time between the last reading without an open lesson and the one that showed it: it opened in between."
        self.detection = declare.histogram("lesson_detection_seconds", found, LONG)
        mark = (
            "Time from seeing a lesson open until the portal confirmed the mark; manual: with the student's own time."
        )
        self._marking = declare.histogram("lesson_mark_seconds", mark, LONG, mode=("automatic", "manual"))

    def checked(self, error: Exception | None = None) -> None:
        self._checks.labels("ok" if error is None else type(error).__name__).inc()

    def ended(self, outcome: str) -> None:
        self._lessons.labels(outcome).inc()

    def marked(self, mode: Mode, after: timedelta | None) -> None:
        """Count a confirmed mark; ``after``: None if an earlier process saw the lesson open."""
        self.ended(MARKED)
        if after is not None:
            self._marking.labels(mode).observe(max(0.0, after.total_seconds()))
