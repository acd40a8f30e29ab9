"""Records every Bot API call, and every tap on a button with its answer."""

import itertools
from collections import deque
from dataclasses import dataclass
from typing import Any

from sandbox.signal import Clock, Signal


@dataclass(slots=True)
class Call:
    """One Bot API call. `status` is None while it runs and when it was not executed; `fault` is an injected failure."""

    n: int
    at: str
    monotonic: float
    bot: str | None
    method: str
    params: dict[str, Any]
    status: int | None = None
    error: str | None = None
    result: Any = None
    fault: str | None = None
    seconds: float | None = None

    def shown(self) -> dict[str, Any]:
        """The call as JSON for the control API."""
        always = ("n", "at", "monotonic", "bot", "method", "params", "status")
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in fields.items() if name in always or value is not None}


class Journal:
    """Calls in the order of arrival. Only the latest are kept, since a sandbox may run for days."""

    KEPT = 50_000

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self.calls: deque[Call] = deque(maxlen=self.KEPT)
        self.changed = Signal()

    def clear(self) -> None:
        """Delete the calls; numbers start from one again."""
        self._numbers = itertools.count(1)
        self.calls.clear()

    def begin(self, bot: str | None, method: str, params: dict[str, Any]) -> Call:
        """Record a call on arrival."""
        now = self._clock.wall().isoformat()
        call = Call(next(self._numbers), now, self._clock.monotonic(), bot, method, params)
        self.calls.append(call)
        self.changed.bump()
        return call

    def end(self, call: Call, status: int | None, *, error: str | None = None, result: Any = None) -> None:
        """Record the outcome of a call."""
        call.status, call.error, call.result = status, error, result
        call.seconds = round(self._clock.monotonic() - call.monotonic, 6)
        self.changed.bump()

    def since(self, number: int) -> list[dict[str, Any]]:
        """The calls after this number."""
        newer = itertools.takewhile(lambda call: call.n > number, reversed(self.calls))
        return [call.shown() for call in newer][::-1]


@dataclass(slots=True)
class Tap:
    """A press of an inline button: a CallbackQuery for the bot, a spinner on the button for the person."""

    tap_id: str
    person: int
    bot: str
    message_id: int
    label: str
    data: str
    at: str
    monotonic: float
    answered_at: str | None = None
    answered_after: float | None = None
    answer_text: str | None = None
    show_alert: bool = False
    late: bool = False


class Taps:
    """All taps. Each can be answered once, within the lifetime."""

    def __init__(self, clock: Clock, lifetime: float) -> None:
        self._clock = clock
        self._lifetime = lifetime
        # Ids of callback queries are 64 bit numbers written as strings.
        self._ids = itertools.count(4_382_000_000_000_000_001)
        self._taps: dict[str, Tap] = {}

    def add(self, person: int, bot: str, message_id: int, label: str, data: str) -> Tap:
        now = self._clock.wall().isoformat()
        tap = Tap(str(next(self._ids)), person, bot, message_id, label, data, now, self._clock.monotonic())
        self._taps[tap.tap_id] = tap
        return tap

    def find(self, tap_id: str) -> Tap | None:
        """A tap by its id; None if there is none."""
        return self._taps.get(tap_id)

    def answer(self, tap_id: str, bot: str, text: str, show_alert: bool) -> Tap | None:
        """Answer a tap; None if it is unknown, answered already or too old."""
        tap = self._taps.get(tap_id)
        if tap is None or tap.bot != bot or tap.answered_at is not None:
            return None
        after = self._clock.monotonic() - tap.monotonic
        if after > self._lifetime:
            tap.late = True
            return None
        tap.answered_at, tap.answered_after = self._clock.wall().isoformat(), round(after, 6)
        tap.answer_text, tap.show_alert = text, show_alert
        return tap

    def listed(self, *, unanswered: bool) -> list[dict[str, Any]]:
        """The taps in order, or only unanswered ones; `late`: not answered within the lifetime."""
        over = self._clock.monotonic() - self._lifetime
        return [
            {name: getattr(tap, name) for name in Tap.__slots__}
            | {"late": tap.late or (tap.answered_at is None and tap.monotonic < over)}
            for tap in self._taps.values()
            if not (unanswered and tap.answered_at is not None)
        ]
