"""When a monitor reloads the page, rests, and tries again after trouble."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from core.backoff import Backoff
from core.clock import Clock, SystemClock

REFRESH_INTERVAL = 20.0  # seconds between reloads
JITTER = 0.15  # of the interval, either way
FIRST_RELOAD = 1.0  # seconds before reloading a page that changed or lost its session, doubled each time
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0  # seconds after trouble, doubled each time
WAKE_AHEAD = 240.0  # seconds before the active hours begin: sixty students sign in, three at a time


@dataclass(frozen=True)
class Schedule:
    """One monitor's times. All of them have jitter, so that many monitors do not act in step.

    ``refresh_interval`` is in seconds; ``rests_until(now)`` returns until when nothing is watched, None for "watch";
    ``on_check(at)`` is called now and then with the time of the last check.
    """

    refresh_interval: float = REFRESH_INTERVAL
    rests_until: Callable[[datetime], datetime | None] = lambda _now: None
    on_check: Callable[[datetime], None] = lambda _at: None
    clock: Clock = field(default_factory=SystemClock)
    jitter: Callable[[float, float], float] = random.uniform

    def until_reload(self) -> float:
        return self.refresh_interval * self.jitter(1 - JITTER, 1 + JITTER)

    def pauses_after_trouble(self) -> Backoff:
        return Backoff(FIRST_PAUSE, LONGEST_PAUSE, lambda: self.jitter(0.7, 1.0))

    def pauses_before_loading_again(self) -> Backoff:
        """Return the pauses before a page is loaded again that changed or lost its session."""
        return Backoff(FIRST_RELOAD, LONGEST_PAUSE, lambda: self.jitter(0.5, 1.0))

    def resting_until(self) -> datetime | None:
        """Return until when to rest; None to watch, or to sign in shortly before the active hours begin."""
        now = self.clock.now()
        until = self.rests_until(now)
        return None if until is None or (until - now).total_seconds() <= self.wakes_early else until

    @cached_property
    def wakes_early(self) -> float:
        """Seconds before the active hours begin at which this monitor opens its browser."""
        return WAKE_AHEAD * self.jitter(0.5, 1.0)
