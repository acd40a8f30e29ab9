"""Asks the portal whether a load would show anything new, at a tenth of a load's cost (docs/measurements.md).

With each load Chrome fetches, compiles and draws Vaadin's client again, only to show the page's *initial state*, which
the client gets from the server with one request. The same request, sent from the open page, returns what the server
would draw now. That the portal answers it like a stock Vaadin 7.7 is an assumption, so it is checked all the time: a
full load follows regularly, and if loads show that answers were wrong, the request is given up.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portal.views import Reading, View, says_nothing_open

log = logging.getLogger(__name__)

FULL_EVERY = 5  # checks: after four answers "the same" the page is loaded in any case
ALARMS = 6  # in a row, after which this page's server is not asked any more
MISSES, HARMS = 2, 3  # in a row, after which the request is given up for all

# What one load showed: the initial state from which the page was drawn, and the reading.
LoadedState = tuple[str, object]


class Trust:
    """Whether the request is worth sending to this portal. Shared by all monitors, thread-safe.

    Failures are counted by kind: "miss" (a wrong answer) and "harm" (a session lost after a request).
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._left = {"miss": MISSES, "harm": HARMS}
        self.lost = ""  # why the request is given up; empty while it is not

    def succeed(self, kind: str) -> None:
        with self._lock:
            self._left[kind] = MISSES if kind == "miss" else HARMS

    def fail(self, kind: str, why: str) -> None:
        """Count a failure; several in a row end the requests."""
        with self._lock:
            self._left[kind] -= 1
            if self._left[kind] <= 0:
                self.give_up(why)

    def give_up(self, why: str) -> None:
        """Send no more requests until the next start."""
        with self._lock:
            if not self.lost:
                self.lost = why
                log.warning("each check loads the whole page from now on: %s", why)


@dataclass(eq=False)
class InitialState:
    """The initial state of one browser's page, compared with the server's. For one thread.

    ``ask`` runs a query of initial_state.js in the page: "drawn" returns a text, "same" a boolean, either may return
    None.
    """

    _ask: Callable[[str], Any]
    _trust: Trust
    _drawn: str | None = None  # of the page in the browser; None: don't ask about it
    _before: LoadedState | None = None  # of the last load
    _same: int = 0  # answers "the same" in a row
    _answer: bool | None = None  # to compare with the next load
    _alarms: int = 0

    def forget(self) -> None:
        """Send no requests about this page: it is being left, was clicked, or changed by itself."""
        self._drawn = None

    def loaded(self, reading: Reading) -> None:
        """Note what a load has just shown, and compare it with the last answer. Raises BrowserFailed."""
        answer, self._answer, self._same = self._answer, None, 0
        before, self._before = self._before, None
        self._drawn = None
        # with a button to press, or on an unusual page, the page itself is read
        if self._trust.lost or reading.view not in (View.NOTHING, View.MARKED):
            return
        drawn = self._ask("drawn")
        if not isinstance(drawn, str) or not _contains(drawn, reading):
            return
        self._before = (drawn, _shown(reading))
        if before is not None:
            self._judge(answer, before, self._before)
        if self._alarms < ALARMS:
            self._drawn = drawn

    def _judge(self, answer: bool | None, before: LoadedState, now: LoadedState) -> None:
        same_state, shows_the_same = before[0] == now[0], before[1] == now[1]
        if same_state and not shows_the_same:
            self._trust.give_up("the portal's initial state does not determine what the page shows")
        if answer is True and same_state:
            self._trust.succeed("miss")
        elif answer is True:
            self._trust.fail("miss", "the portal answered that nothing is new although something was")
        elif answer is False:
            self._alarms = self._alarms + 1 if shows_the_same else 0

    def session_lost(self) -> None:
        """Count it as harm if the last requests were answered "the same": they may be the cause."""
        if self._same:
            self._trust.fail("harm", "pages lose their session after the request")

    def same(self) -> bool | None:
        """Say whether a load would show the same again; None if the portal was not asked. Raises BrowserFailed."""
        if self._drawn is None or self._trust.lost:
            return None
        if self._ask("same") is not True:
            self._answer = False
            return False
        self._same += 1
        if self._same < FULL_EVERY:
            return True
        self._answer = True
        self._trust.succeed("harm")
        return False


def _shown(reading: Reading) -> object:
    return reading.view, tuple((card.lines, card.enabled, card.caption) for card in reading.cards)


def _contains(drawn: str, reading: Reading) -> bool:
    """Say whether the initial state contains what the page shows; else that came later, by another request."""
    if reading.view is View.NOTHING:
        return says_nothing_open(drawn)
    return all(card.lesson.time in drawn for card in reading.cards)
