"""The metrics of one process, in the format of Prometheus. Each package declares its own beside its subject."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each counter, which nobody reads

# Upper bounds of buckets, in seconds.
SHORT = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
CALL = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LONG = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)

UNREACHABLE = "unreachable"
Kind = TypeVar("Kind", bound=MetricWrapperBase)


class Metrics:
    """Declares metrics in a registry of its own; one that is declared again is the same one.

    Labels are given with their values, which begin at 0, or with none where only code of ours decides about them.
    A label is never a person's name or ID, nor anything that somebody can type. Any thread may count.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._declared: dict[str, Any] = {}

    def counter(self, name: str, text: str, **labels: Iterable[str]) -> Counter:
        return self._declare(Counter, name, text, labels)

    def gauge(self, name: str, text: str, **labels: Iterable[str]) -> Gauge:
        return self._declare(Gauge, name, text, labels)

    def histogram(self, name: str, text: str, buckets: Sequence[float], **labels: Iterable[str]) -> Histogram:
        return self._declare(Histogram, name, text, labels, buckets=buckets)

    def _declare(self, kind: type[Kind], name: str, text: str, labels: dict[str, Iterable[str]], **more: Any) -> Kind:
        if name not in self._declared:
            made = kind(f"attendance_{name}", text, tuple(labels), registry=self.registry, **more)
            for values in product(*labels.values()) if labels else ():
                made.labels(*values)
            self._declared[name] = made
        found: Kind = self._declared[name]
        return found


class CountedCall:
    """One call; its caller sets the HTTP status of the answer."""

    status = 0

    @property
    def result(self) -> str:
        """Return the status as a label: few values, whatever the other side answers."""
        if self.status == 429:
            return "limited"
        return {2: "ok", 3: "refused", 4: "refused", 5: "failed"}.get(self.status // 100, UNREACHABLE)


class Calls:
    """The calls of one outside system by their result, and how long they took."""

    def __init__(self, metrics: Metrics, system: str, whose: str, **labels: Iterable[str]) -> None:
        text = f"Calls of {whose} by result: ok, refused (4xx), limited (429), failed (5xx), unreachable."
        self._calls = metrics.counter(f"{system}_calls", text, **labels, result=())
        self._seconds = metrics.histogram(f"{system}_call_seconds", f"Duration of calls of {whose}.", CALL, **labels)

    @contextmanager
    def counted(self, *labels: str) -> Iterator[CountedCall]:
        """Count and time one call; one that raises an error had no answer, and a cancelled one does not count."""
        call, begun = CountedCall(), time.monotonic()
        try:
            yield call
        except Exception:
            self._calls.labels(*labels, UNREACHABLE).inc()
            raise
        self._calls.labels(*labels, call.result).inc()
        self._seconds.labels(*labels).observe(time.monotonic() - begun)


def spread(histogram: Histogram) -> dict[str, float]:
    """Return median and 95th percentile since the start, estimated from the buckets as Prometheus does, and a bound.

    ``max`` is the bound of the highest bucket with a measurement. Empty without measurements.
    """
    samples = next(iter(histogram.collect())).samples
    counts = {float(each.labels["le"]): each.value for each in samples if each.name.endswith("_bucket")}
    total = counts[math.inf]
    if not total:
        return {}
    bounds = [bound for bound in counts if bound < math.inf]
    highest = next((bound for bound in bounds if counts[bound] == total), bounds[-1])
    return {"median": _quantile(0.5, counts), "p95": _quantile(0.95, counts), "max": highest}


def _quantile(share: float, counts: dict[float, float]) -> float:
    rank = share * counts[math.inf]
    lower = below = 0.0
    for upper, count in counts.items():
        if count >= rank or math.isinf(upper):
            return lower if math.isinf(upper) else round(lower + (upper - lower) * (rank - below) / (count - below), 4)
        lower, below = upper, count
    raise AssertionError("the last bucket has no bound")
