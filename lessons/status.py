"""Keeps a monitor's status snapshot up to date and reports its changes."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from core.clock import Clock
from lessons.events import Event, MonitorState, MonitorStatus, StatusEvent

log = logging.getLogger(__name__)

CHECKED_EVERY = 300.0  # seconds between two calls of ``on_check``, which stores the time
_REPORTED = {MonitorState.WATCHING: Event.WATCHING, MonitorState.RESTING: Event.RESTING}


class StatusReporter:
    """One monitor's status. Changed on the monitor's thread only; ``current`` may be read from any thread.

    ``on_check(at)`` is called with the time of the last check, at most every five minutes and at the end.
    """

    def __init__(
        self,
        username: str,
        student: int,
        clock: Clock,
        on_status_update: Callable[[str, StatusEvent], None],
        on_check: Callable[[datetime], None],
    ) -> None:
        self._username = username
        self._student = student
        self._clock = clock
        self._on_status_update = on_status_update
        self._on_check = on_check
        self._stored_at = -CHECKED_EVERY  # monotonic
        now = clock.now()
        self.current = MonitorStatus(MonitorState.STARTING, since=now, started=now)

    def report(self, event: StatusEvent) -> None:
        """Call ``on_status_update``."""
        self._on_status_update(self._username, event)

    def become(
        self,
        state: MonitorState,
        *,
        last_check: datetime | None = None,
        next_in: float | None = None,
        trouble: str = "",
    ) -> None:
        """Replace the snapshot; report the beginning of watching and of resting."""
        before = self.current
        now = self._clock.now()
        self.current = MonitorStatus(
            state=state,
            since=before.since if before.state is state else now,
            started=before.started,
            last_check=last_check or before.last_check,
            next_check=before.next_check if next_in is None else now + timedelta(seconds=next_in),
            trouble=trouble,
        )
        if state is before.state:
            return
        if state is not MonitorState.STOPPED:  # ``stop`` logs the end with its reason
            log.info("monitor %s: %s", self._student, state.value)
        if state in _REPORTED:
            self.report(StatusEvent(_REPORTED[state]))

    def checked(self) -> datetime:
        """Record a check of the portal that succeeded now; return the time."""
        now = self._clock.now()
        self.become(MonitorState.WATCHING, last_check=now)
        if self._clock.monotonic() - self._stored_at >= CHECKED_EVERY:
            self._stored_at = self._clock.monotonic()
            self._on_check(now)
        return now

    def stop(self, last: StatusEvent) -> None:
        """Become STOPPED and report the last event."""
        if self.current.last_check is not None:
            self._on_check(self.current.last_check)
        self.become(MonitorState.STOPPED, trouble=last.text)
        log.info("monitor %s: stopped (%s)", self._student, last.event.value)
        self.report(last)
