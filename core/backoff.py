"""Growing pauses between attempts at something that fails."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Backoff:
    """Pauses after failures in a row: ``first`` seconds, ``factor`` times as long each time, to ``longest``.

    ``jitter`` returns the factor by which a pause is multiplied, so that many do not try again at the same moment.
    """

    first: float
    longest: float
    jitter: Callable[[], float] = lambda: 1.0
    failures: int = 0
    factor: float = 2.0

    def next(self) -> float:
        """Count a failure and return the pause after it."""
        self.failures += 1
        grown = self.first * self.factor ** min(self.failures - 1, 30)  # an exponent without a bound would overflow
        return min(grown, self.longest) * self.jitter()

    def reset(self) -> None:
        self.failures = 0
