"""How long a page may take to become ready: the limit grows with what the portal needs, and shrinks again."""

from dataclasses import dataclass

from portal.errors import PortalSlow, PortalUnavailable

# Seconds. A stopped Vaadin application never becomes idle again, so the wait for it needs a limit.
READY_WITHIN, LONGEST = 15.0, 90.0
_REQUESTS = 8  # of a page one after another: page, bootstrap, widget set, first state, form; and what files take


@dataclass(eq=False)
class Patience:
    """The limit in seconds, from ``least`` to LONGEST. Shared by all browsers; a lost update costs one longer load."""

    least: float = READY_WITHIN
    _learned: float = 0.0

    def within(self, slowest: float) -> float:
        """Return the limit for a page whose slowest request took so many seconds."""
        return max(self.least, min(LONGEST, max(self._learned, _REQUESTS * slowest)))

    def ready(self, after: float) -> None:
        self._learned = max(1.5 * after, self._learned / 2)

    def gave_up(self, after: float, arrived: bool) -> PortalUnavailable:
        """Return the error for a page that was not ready in time; ``arrived``: the portal has sent its beginning."""
        self._learned = max(self._learned, min(LONGEST, 2 * after))
        if arrived and after < LONGEST:
            return PortalSlow(f"the portal is slow: the page was not ready within {after:g} s")
        return PortalUnavailable(f"the page was not ready within {after:g} s")
