"""Per-student monitoring state that survives restarts: last check, last error, skipped day; and the active hours."""

import logging
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.active_hours import ActiveHours
from core.clock import Clock
from core.sqlite import DatabaseUnavailable
from lessons.events import Event, StatusEvent
from marker.tables.students import Watch, Watches

log = logging.getLogger(__name__)


@dataclass(eq=False)
class WatchState:
    """Keeps the state in memory and in the database. Methods that write block; they may be called from any thread."""

    _watches: Watches
    clock: Clock
    _hours: ActiveHours = ActiveHours()  # noqa: RUF009  # immutable, like the zone
    _zone: ZoneInfo = ZoneInfo("Asia/Almaty")  # noqa: RUF009

    def __post_init__(self) -> None:
        self._lock = threading.Lock()  # `_kept` changes on the loop and on the monitors' threads
        self._kept = self._watches.all()

    def reload(self) -> None:
        """Read the state from the database again. Raises DatabaseUnavailable."""
        self._kept = self._watches.all()

    def forget(self, telegram_id: int) -> None:
        """Forget a student who was removed; the rows in the database are deleted elsewhere."""
        self._kept.pop(telegram_id, None)

    def of(self, telegram_id: int) -> Watch:
        """Return a student's state; the last error is kept also when it is over."""
        return self._kept.get(telegram_id, Watch())

    def troubled(self, telegram_id: int, event: StatusEvent) -> None:
        detail = "" if event.event in (Event.RESTARTED, Event.FAILED) else event.detail  # of no use to the student
        self._keep(telegram_id, trouble=event.cause, trouble_text=detail, trouble_at=self.clock.now())

    def checked(self, telegram_id: int, at: datetime) -> None:
        self._keep(telegram_id, last_check=at)

    def skip_today(self, telegram_id: int, skip: bool) -> None:
        """Skip the rest of the local day, or no longer. Raises DatabaseUnavailable."""
        day = self._local_date(self.clock.now()) if skip else ""
        self._watches.set(telegram_id, skip_date=day)
        self._remember(telegram_id, skip_date=day)

    def skips_today(self, telegram_id: int) -> bool:
        return self.of(telegram_id).skip_date == self._local_date(self.clock.now())

    def rests_until(self, telegram_id: int, now: datetime) -> datetime | None:
        """Return until when a student's monitor rests: a skipped day, or the time outside of the active hours."""
        begin = now
        if self.of(telegram_id).skip_date == self._local_date(now):
            tomorrow = now.astimezone(self._zone).date() + timedelta(days=1)
            begin = datetime.combine(tomorrow, datetime.min.time(), self._zone)
        return self._hours.closed_until(begin, self._zone) or (begin if begin != now else None)

    def _keep(self, telegram_id: int, **changes: Any) -> None:
        """Keep a change. If the database can't be written, that is only logged: nothing depends on it."""
        self._remember(telegram_id, **changes)
        try:
            self._watches.set(telegram_id, **changes)
        except DatabaseUnavailable as error:
            log.warning("monitor %d: %s not kept (%s)", telegram_id, ", ".join(changes), error)

    def _remember(self, telegram_id: int, **changes: Any) -> None:
        with self._lock:
            self._kept[telegram_id] = replace(self.of(telegram_id), **changes)

    def _local_date(self, at: datetime) -> str:
        return at.astimezone(self._zone).date().isoformat()
