"""Asks the portal whether a load would show anything new, without the load: a tenth of its cost (docs/measurements).

A load makes Chrome fetch, compile and draw Vaadin's client anew; all it learns is the page's *initial state*, which the
client asks the server for in one request. The same request, sent from the page, tells whether the server would draw now
what it drew at the last load. That is inferred of the portal (a stock Vaadin 7.7 does so), so it proves itself as it
goes: a real load follows regularly, and where one shows that an answer was wrong, no more is asked.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from portal.views import Reading, View, says_nothing_open

log = logging.getLogger(__name__)

FULL_EVERY = 5  # checks: after four answers "the same" comes a load in any case
MISSES, ALARMS, HARMS = 2, 6, 3  # in a row, after which the question is given up

Page = tuple[str, object]  # the initial state that it was drawn from, and what it shows


class Trust:
    """Whether the question is worth asking on this portal; shared by all monitors, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = {"miss": 0, "harm": 0}
        self._limits = {"miss": MISSES, "harm": HARMS}
        self.lost = ""  # why nothing is asked any more

    def good(self, kind: str) -> None:
        """Note that what was feared did not happen."""
        with self._lock:
            self._counts[kind] = 0

    def bad(self, kind: str, why: str) -> None:
        """Note that it did; often enough in a row it ends the asking."""
        with self._lock:
            self._counts[kind] += 1
            if self._counts[kind] < self._limits[kind]:
                return
        self.lose(why)

    def lose(self, why: str) -> None:
        """Ask nothing more until the next start."""
        with self._lock:
            if self.lost:
                return
            self.lost = why
        log.warning("each check loads the whole page from now on: %s", why)


class InitialState:
    """What one browser's page was drawn from, and whether the server would draw it so again. For one thread."""

    def __init__(self, ask: Callable[[str], Any], trust: Trust) -> None:
        """Take what runs initial_state.js in the page ("drawn": a text, "same": yes or no, None: no answer)."""
        self._ask = ask
        self._trust = trust
        self._drawn: str | None = None  # of the page in the browser, where it may be asked about
        self._before: Page | None = None  # of the last load
        self._same = 0  # answers "the same" in a row
        self._said: bool | None = None  # the answer that the next load will be held against
        self._alarms = 0

    def forget(self) -> None:
        """Ask no more about this page: it is being left, or pressed, or has changed by itself."""
        self._drawn = None

    def loaded(self, reading: Reading) -> None:
        """Take what a load has just shown. Raises BrowserFailed."""
        said, self._said, self._same = self._said, None, 0
        before, self._before = self._before, None
        self._drawn = None
        # where something can be pressed, or anything is not as usual, the page itself is looked at
        if self._trust.lost or reading.view not in (View.NOTHING, View.MARKED):
            return
        drawn = self._ask("drawn")
        if not isinstance(drawn, str) or not _holds(drawn, reading):
            return
        self._before = (drawn, _shown(reading))
        if before is not None:
            self._judge(said, before, self._before)
        if self._alarms < ALARMS:
            self._drawn = drawn

    def _judge(self, said: bool | None, before: Page, now: Page) -> None:
        """Hold two loads against each other, and against the answer between them."""
        as_before, shows_the_same = before[0] == now[0], before[1] == now[1]
        if as_before and not shows_the_same:
            self._trust.lose("the portal's initial state does not tell what the page shows")
        if said is True and as_before:
            self._trust.good("miss")
        elif said is True:
            self._trust.bad("miss", "the portal answered that nothing is new where something was")
        elif said is False:
            self._alarms = self._alarms + 1 if shows_the_same else 0

    def troubled(self) -> None:
        """Take that the page complained of its session; may it not be because of the question."""
        if self._same:
            self._trust.bad("harm", "the page loses its session after the question")

    def same(self) -> bool | None:
        """Say whether a load would show what the last one did; None where the portal was not asked.

        Raises:
            BrowserFailed: Chrome is gone.
        """
        if self._drawn is None or self._trust.lost:
            return None
        if self._ask("same") is not True:
            self._said = False
            return False
        self._same += 1
        if self._same < FULL_EVERY:
            return True
        self._said = True
        self._trust.good("harm")
        return False


def _shown(reading: Reading) -> object:
    return reading.view, tuple((card.lines, card.enabled, card.caption) for card in reading.cards)


def _holds(drawn: str, reading: Reading) -> bool:
    """Say whether what is shown stands in the initial state: else it came later, by a request of its own."""
    if reading.view is View.NOTHING:
        return says_nothing_open(drawn)
    return all(card.lesson.time in drawn for card in reading.cards)
