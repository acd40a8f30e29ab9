"""What /healthz says of the marker: whether it can serve, and in words what is wrong. No names, no ids."""

import asyncio
import shutil
from collections.abc import Mapping
from datetime import timedelta

from core.health import PartHealth, polling_state
from core.sqlite import DatabaseError
from marker.application import Marker
from marker.services import Services
from telegram_app.factory import PollingRequest

LITTLE_DISK = 200 * 1024 * 1024
STUCK_AFTER = timedelta(minutes=10)  # of a message that waits
LAGGING = 1.0  # seconds by which the loop is late


async def report(
    services: Services, marker: Marker, poll: PollingRequest, programs: Mapping[str, str] | None = None
) -> PartHealth:
    """Return the marker's part of the report; ``programs`` are by name those that it needs on this machine.

    The portal being down is not our illness: the container must not be restarted for it.
    """
    failing, degraded = [], []
    if (telegram := polling_state(poll.answered_at)) != "ok":
        failing.append(telegram)
    if poll.conflict:
        degraded.append("another program fetches the updates of TELEGRAM_BOT_TOKEN's bot: end it")
    if services.storage.trouble:
        failing.append("students and codes can't be written: see the log")
    try:
        oldest = await asyncio.to_thread(services.outbox.oldest_waiting)
    except DatabaseError:
        failing.append("the ledger can't be read: see the log")
        oldest = None
    if oldest is not None and services.clock.now() - oldest > STUCK_AFTER:
        degraded.append(f"messages wait since {oldest.isoformat(timespec='minutes')}")
    if await asyncio.to_thread(free_little, services):
        degraded.append("the disk of DATA_DIR is nearly full")
    if marker.lag > LAGGING:
        degraded.append(f"the loop is {marker.lag:.1f} s late")
    degraded += await asyncio.to_thread(gone, programs or {})
    registry = services.registry
    if troubled := marker.notices.troubles.long_troubled():
        degraded.append(f"{troubled} monitors can't watch the portal for 5 minutes or longer")
    if waiting := registry.waiting():
        degraded.append(f"{waiting} monitors wait for a place: MAX_ACTIVE_MONITORS or memory")
    return PartHealth(failing, degraded, {"monitors": len(registry.active()), "capacity": registry.capacity})


def gone(programs: Mapping[str, str]) -> list[str]:
    """Say of each program that is not there any more that it has to be installed: no restart brings it back."""
    return [f"{name} is not there any more: install it" for name, path in programs.items() if not shutil.which(path)]


def free_little(services: Services) -> bool:
    """Say whether the disk is nearly full."""
    return shutil.disk_usage(services.settings.data_dir).free < LITTLE_DISK
