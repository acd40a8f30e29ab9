"""What /healthz says: whether the bot can serve, and in words what is wrong. No names, no ids."""

import asyncio
import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import health
from handlers.marker import Marker
from handlers.services import Services
from ledger import LedgerError

LITTLE_DISK = 200 * 1024 * 1024
STUCK_AFTER = timedelta(minutes=10)  # of a message that waits
LAGGING = 1.0  # seconds by which the loop is late


async def report(services: Services, marker: Marker, answered_at: Callable[[], float | None]) -> dict[str, Any]:
    """Return the report. ``status``: "ok"; "degraded", which a restart would not mend; else what keeps it from serving.

    The portal being down is not our illness: the container must not be restarted for it.
    """
    failing, degraded = [], []
    if (telegram := health.polling_state(answered_at())) != "ok":
        failing.append(telegram)
    if services.storage.trouble:
        failing.append("students and codes can't be written: see the log")
    try:
        oldest = await asyncio.to_thread(services.outbox.oldest_waiting)
    except LedgerError:
        failing.append("the ledger can't be read: see the log")
        oldest = None
    if oldest is not None and services.clock.now() - oldest > STUCK_AFTER:
        degraded.append(f"messages wait since {oldest.isoformat(timespec='minutes')}")
    if await asyncio.to_thread(free_little, services):
        degraded.append("the disk of DATA_DIR is nearly full")
    if marker.lag > LAGGING:
        degraded.append(f"the loop is {marker.lag:.1f} s late")
    registry = services.registry
    if troubled := marker.notices.troubles.long_troubled():
        degraded.append(f"{troubled} monitors can't watch the portal for 5 minutes or longer")
    if waiting := registry.waiting():
        degraded.append(f"{waiting} monitors wait for a place: MAX_ACTIVE_MONITORS or memory")
    return {
        "status": failing[0] if failing else "degraded" if degraded else "ok",
        "healthy": not failing,
        "problems": [*failing, *degraded],
        "monitors": len(registry.active()),
        "capacity": registry.capacity,
    }


def free_little(services: Services) -> bool:
    """Say whether the disk is nearly full."""
    return shutil.disk_usage(services.settings.data_dir).free < LITTLE_DISK
