"""The marker's part of /healthz: whether it works, and if not, why. Without names and ids."""

import asyncio
import shutil
from collections.abc import Mapping
from datetime import timedelta

from core.health import PartHealth, polling_state
from core.machine import Room
from core.sqlite import DatabaseError, advice
from marker.application import Marker
from marker.services import Services
from portal.limits import PortalLimits
from telegram_app.wire import PollingRequest

LITTLE_DISK = 200 * 1024 * 1024
STUCK_AFTER = timedelta(minutes=10)  # for a message that waits to be sent
LAGGING = 1.0  # seconds by which the event loop is late


async def report(
    services: Services,
    marker: Marker,
    poll: PollingRequest,
    programs: Mapping[str, str],
    room: Room,
    limits: PortalLimits,
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
