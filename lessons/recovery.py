"""Reports the troubles of a monitor and pauses after them, longer each time."""

import logging

from core.sqlite import DatabaseUnavailable
from lessons.commands import Waits
from lessons.events import Event, MonitorState, StatusEvent, StatusReporter
from lessons.marking import Marking
from lessons.schedule import Schedule
from portal.errors import PortalError
from portal.session import PortalClient

log = logging.getLogger(__name__)

AGAIN_IS_TROUBLE = 6  # loads in a row without success, after which it counts as trouble


class Recovery:
    """One monitor's pauses after trouble. Each ends at once when the monitor has to rest."""

    def __init__(
        self, student: int, schedule: Schedule, waits: Waits, status: StatusReporter, marking: Marking
    ) -> None:
        self._student = student
        self._schedule = schedule
        self._waits = waits
        self._status = status
        self._marking = marking
        self._troubles = schedule.pauses_after_trouble()
        self._reloads = schedule.pauses_before_loading_again()

    def checked(self) -> None:
        self._troubles.reset()

    def stayed_usable(self) -> None:
        """Note that the page could be used until the next reload was due."""
        self._reloads.reset()

    def wait_to_load_again(self, passing: PortalError) -> None:
        """Wait before loading a page again that changed or lost its session: usually the load mends it, unreported.

        Where it does not, the waits grow, and it is reported as trouble.
        """
        wait = self._reloads.next()
        log.info("monitor %s: %s, loading again", self._student, type(passing).__name__)
        if self._reloads.failures >= AGAIN_IS_TROUBLE:
            self._marking.note_trouble()
            self._status.become(MonitorState.WAITING, trouble=str(passing), next_in=wait)
            self._status.report(StatusEvent(Event.TROUBLE, str(passing)))
        self._wait_unless_resting(wait)

    def wait_out(self, trouble: PortalError | DatabaseUnavailable, client: PortalClient | None = None) -> None:
        """Report trouble that may pass and pause; with ``client`` a copy of the unknown page is reported too."""
        self._marking.note_trouble()
        wait = self._troubles.next()
        log.warning("monitor %s: %s: %s; again in %.0f s", self._student, type(trouble).__name__, trouble, wait)
        self._status.become(MonitorState.WAITING, trouble=str(trouble), next_in=wait)
        event = StatusEvent(Event.TROUBLE, str(trouble))
        if client is not None:
            kind, picture, source = client.evidence()
            event = StatusEvent(Event.UNKNOWN_VIEW, str(trouble), kind=kind, picture=picture, source=source)
        self._status.report(event)
        self._wait_unless_resting(wait)

    def _wait_unless_resting(self, seconds: float) -> None:
        deadline = self._schedule.clock.monotonic() + seconds
        while (left := deadline - self._schedule.clock.monotonic()) > 0 and self._schedule.resting_until() is None:
            self._waits.woken = False
            self._waits.pause(left, until_woken=True)
