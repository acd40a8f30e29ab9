"""The marker's part of /healthz: whether it works, and if not, why. Without names and ids."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from core.health import PartHealth, polling_state
from core.machine import Room
from core.metrics import Metrics
from core.sqlite import DatabaseError, advice
from lessons.events import MonitorState
from marker.application import Marker
from marker.monitors.registry import MonitorRegistry
from marker.services import Services
from portal.limits import PortalLimits
from telegram_app.wire import PollingRequest

LITTLE_DISK = 200 * 1024 * 1024
STUCK_AFTER = timedelta(minutes=10)  # for a message that waits to be sent
LAGGING = 1.0  # seconds by which the event loop is late


class MarkerGauges:
    """The state of the monitors, as of the last report."""

    def __init__(self, metrics: Metrics) -> None:
        states = {"state": [state.value for state in MonitorState]}
        self._monitors = metrics.gauge("monitors", "Running monitors of students by state.", **states)
        self._waiting = metrics.gauge("monitors_without_place", "Monitors that wait for a place.")
        self._capacity = metrics.gauge("monitor_places", "How many monitors can run at a time.")
        between = "Time between two checks of one student: REFRESH_INTERVAL, or more where PORTAL_MAX_LOADS_PER_SECOND"
        self._interval = metrics.gauge("check_interval_seconds", f"{between} limits it.")

    def show(self, registry: MonitorRegistry, interval: float) -> None:
        found = (registry.status(student) for student in registry.active())
        counts = Counter(status.state for status in found if status is not None)
        for state in MonitorState:
            self._monitors.labels(state.value).set(counts[state])
        self._waiting.set(registry.waiting())
        self._capacity.set(registry.capacity)
        self._interval.set(interval)


async def report(
    services: Services,
    marker: Marker,
    poll: PollingRequest,
    programs: Mapping[str, str],
    room: Room,
    limits: PortalLimits,
    gauges: MarkerGauges,
) -> PartHealth:
    """Return the marker's part of the report; ``programs`` are the paths of the programs that it needs, by name.

    A portal that is down only degrades us: a restart of the container would not help.
    """
    failing, degraded = [], []
    if (telegram := polling_state(poll.answered_at)) != "ok":
        failing.append(telegram)
    if poll.conflict:
        degraded.append("another program fetches the updates of TELEGRAM_BOT_TOKEN's bot: end it")
    if services.storage.trouble:
        failing.append("students.json or invitations.json can't be written: see the log")
    if marker.outage.trouble:
        degraded.append(marker.outage.problem)
    try:
        oldest = await asyncio.to_thread(services.outbox.oldest_waiting)
    except DatabaseError as error:
        failing.append(f"the database can't be read: {advice(error)}")
        oldest = None
    if oldest is not None and services.clock.now() - oldest > STUCK_AFTER:
        degraded.append(f"messages wait since {oldest.isoformat(timespec='minutes')}")
    if (await asyncio.to_thread(shutil.disk_usage, services.settings.data_dir)).free < LITTLE_DISK:
        degraded.append("the disk of DATA_DIR is nearly full")
    if marker.lag > LAGGING:
        degraded.append(f"the event loop is {marker.lag:.1f} s late")
    degraded += await asyncio.to_thread(missing, programs)
    registry = services.registry
    if troubled := marker.notices.troubles.long_troubled():
        degraded.append(f"{troubled} monitors have not reached the portal for 5 minutes or longer")
    if waiting := registry.waiting():
        lacks = room.lacks(len(registry.active()) + waiting) or "raise MAX_ACTIVE_MONITORS"
        degraded.append(f"{waiting} monitors wait for a place: {lacks}")
    counts = {"monitors": len(registry.active()), "capacity": registry.capacity}
    seconds = limits.interval(services.settings.refresh_interval, len(registry.active()))
    gauges.show(registry, seconds)
    if seconds > services.settings.refresh_interval:
        degraded.append(f"each student is checked every {seconds:.0f} s only: raise PORTAL_MAX_LOADS_PER_SECOND")
    return PartHealth(
        failing,
        degraded,
        {**counts, "seconds_between_checks": seconds, "room": {**room.fits, "narrowest": room.narrowest}},
    )


def missing(programs: Mapping[str, str]) -> list[str]:
    """Return a line for each program that is missing: it has to be installed, a restart does not help."""
    return [f"{name} is missing: install it" for name, path in programs.items() if not shutil.which(path)]
