"""Failures of valid calls: faults ordered by a test, and Telegram's rate limits."""

import itertools
import math
from collections import deque
from dataclasses import dataclass, field

from sandbox.signal import Signal
from sandbox.telegram.errors import ApiError, too_many_requests

# silence: not executed, no answer; drop_answer: executed, no answer; refuse_connection: cut at once.
KINDS = frozenset({"429", "500", "502", "400", "403", "silence", "drop_answer", "refuse_connection"})
_DESCRIPTIONS = {
    "400": "Bad Request: simulated fault",
    "403": "Forbidden: bot was blocked by the user",
    "500": "Internal Server Error",
    "502": "Bad Gateway",
}


@dataclass(slots=True)
class Fault:
    """One ordered failure. `seconds`: how long a silence lasts, or the delay before another kind."""

    fault_id: int
    kind: str
    method: str = "*"
    bot: str | None = None
    chat_id: int | None = None
    times: int | None = 1  # None: until lifted
    retry_after: int = 1
    seconds: float | None = None
    lifted: Signal = field(default_factory=Signal)

    def concerns(self, bot: str, method: str, chat_id: int | None) -> bool:
        """Whether this call is to fail."""
        return (
            self.method.lower() in ("*", method)
            and self.bot in (None, bot)
            and (self.chat_id is None or self.chat_id == chat_id)
        )

    def error(self) -> ApiError | None:
        """The error answer; None for kinds without one."""
        if self.kind == "429":
            return too_many_requests(self.retry_after)
        if self.kind in _DESCRIPTIONS:
            return ApiError(int(self.kind), _DESCRIPTIONS[self.kind])
        return None


class Faults:
    """Failures ordered and not yet used up, oldest first."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._ordered: list[Fault] = []
        self._held: list[Fault] = []

    def order(self, fault: Fault) -> int:
        fault.fault_id = next(self._ids)
        self._ordered.append(fault)
        return fault.fault_id

    def take(self, bot: str, method: str, chat_id: int | None) -> Fault | None:
        """Return the fault for this call and count it as used once; None if there is none."""
        for fault in self._ordered:
            if fault.concerns(bot, method, chat_id):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._ordered.remove(fault)
                if fault not in self._held:
                    self._held.append(fault)
                return fault
        return None

    def lift(self) -> None:
        """Remove all faults; connections held by a silence are cut."""
        for fault in self._held + self._ordered:
            fault.lifted.bump()
        self._held.clear()
        self._ordered.clear()


class RateLimits:
    """Rate limits: 30 messages a second per bot, 1 a second per chat (core.telegram.org/bots/faq, on broadcasting).

    Telegram tolerates short bursts in one chat; the simulator refuses them, so a bot that relies on bursts fails.
    Only messages count, unless `every_call` is set: then each call with a `chat_id` counts, also edits and deletions.
    Telegram publishes no numbers for those, but limits them too.
    """

    def __init__(self) -> None:
        self.per_second: float | None = 30
        self.per_chat_per_second: float | None = 1
        self.every_call = False
        self._sent: dict[tuple[int, int | None], deque[float]] = {}

    def spend(self, bot: int, chat: int, now: float, count: int = 1) -> None:
        """Count one message or call; raises 429 with the seconds to wait if over a limit.

        An album of ``count`` messages is let through like one message, and the next one waits for all of them.
        """
        rates = [((bot, None), self.per_second), ((bot, chat), self.per_chat_per_second)]
        for key, rate in rates:
            if rate is not None and (wait := self._wait(key, rate, now)) > 0:
                raise too_many_requests(max(1, math.ceil(wait)))
        for key, rate in rates:
            if rate is not None:
                later = 1 / rate if key[1] is not None else 0.0  # the messages of an album in one chat
                self._sent.setdefault(key, deque()).extend(now + each * later for each in range(count))

    def _wait(self, key: tuple[int, int | None], rate: float, now: float) -> float:
        sent = self._sent.get(key)
        if not sent:
            return 0.0
        # A rate below one, such as 0.5, means one message in two seconds.
        window, most = (1.0, int(rate)) if rate >= 1 else (1.0 / rate, 1)
        while sent and sent[0] <= now - window:
            sent.popleft()
        return 0.0 if len(sent) < most else sent[-most] + window - now
