"""Durations and results of face checks, for /healthz and the log."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

KEPT = 500  # newest measurements of each step


class Metrics:
    """Figures of the newest checks, without names."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {}
        self.verdicts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def measured(self, seconds: Mapping[str, float]) -> None:
        for step, took in seconds.items():
            self._seconds.setdefault(step, deque(maxlen=KEPT)).append(took)

    def report(self) -> dict[str, Any]:
        """Return median and 95th percentile of each step in seconds, and counts since the start."""
        return {
            "seconds": {step: spread(kept) for step, kept in self._seconds.items()},
            "verdicts": dict(self.verdicts),
            "errors": dict(self.errors),
        }


def spread(kept: Iterable[float]) -> dict[str, float]:
    """Return median and 95th percentile of durations in seconds; empty without measurements."""
    ordered = sorted(kept)
    if not ordered:
        return {}
    at_95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return {"median": round(median(ordered), 3), "p95": round(at_95, 3)}
