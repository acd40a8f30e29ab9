"""Declaring metrics, counting calls, and the figures that /healthz takes from histograms."""

import asyncio

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from core.metrics import Calls, Metrics, spread

pytestmark = pytest.mark.unit


def samples(metrics: Metrics) -> dict[str, float]:
    """Return the value of each series by its name with its labels."""
    found = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for each in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(each.labels.items()))
            found[f"{each.name}{{{labels}}}" if labels else each.name] = each.value
    return found


class TestMetrics:
    def test_declared_twice(self) -> None:
        """Two parts of the process that declare the same metric count in one."""
        metrics = Metrics()
        metrics.counter("loads", "Loads.").inc()
        metrics.counter("loads", "Loads.").inc()
        assert samples(metrics) == {"attendance_loads_total": 2}

    def test_values_of_labels(self) -> None:
        """Each combination of the labels' values is there from the start with 0, so that a first event is a rise."""
        metrics = Metrics()
        metrics.counter("calls", "Calls.", bot=("marker", "teacher"), result=("ok",))
        zeros = {f"attendance_calls_total{{bot={bot},result=ok}}": 0 for bot in ("marker", "teacher")}
        assert samples(metrics) == zeros

    def test_apart(self) -> None:
        """Two processes' metrics, as those of two tests, have nothing in common."""
        first, second = Metrics(), Metrics()
        first.counter("loads", "Loads.").inc()
        assert second.counter("loads", "Loads.") is not first.counter("loads", "Loads.")
        assert samples(second) == {"attendance_loads_total": 0}


class TestCalls:
    @pytest.mark.parametrize(
        ("status", "result"),
        [
            (200, "ok"), (204, "ok"), (302, "refused"), (400, "refused"), (403, "refused"), (429, "limited"),
            (500, "failed"), (502, "failed"), (0, "unreachable"), (999, "unreachable"),
        ],
    )  # fmt: skip
    def test_results(self, status: int, result: str) -> None:
        """Whatever a server answers becomes one of five results, and the duration is measured."""
        metrics = Metrics()
        with Calls(metrics, "lms", "the LMS", call=()).counted("POST login") as call:
            call.status = status
        found = samples(metrics)
        assert found[f"attendance_lms_calls_total{{call=POST login,result={result}}}"] == 1
        assert found["attendance_lms_call_seconds_count{call=POST login}"] == 1

    def test_no_answer(self) -> None:
        """An error is raised again, and counts as no answer; it has no duration."""
        metrics = Metrics()
        calls = Calls(metrics, "lms", "the LMS")
        with pytest.raises(OSError, match="gone"), calls.counted():
            raise OSError("gone")
        assert samples(metrics)["attendance_lms_calls_total{result=unreachable}"] == 1
        assert samples(metrics)["attendance_lms_call_seconds_count"] == 0

    async def test_cancelled(self) -> None:
        """A call that is cancelled, as a poll at the end, is not counted."""
        metrics = Metrics()
        calls = Calls(metrics, "lms", "the LMS")

        async def call() -> None:
            with calls.counted():
                await asyncio.Event().wait()

        calling = asyncio.create_task(call())
        await asyncio.sleep(0)
        calling.cancel()
        await asyncio.wait({calling})
        assert not any("result" in name for name in samples(metrics))


class TestSpread:
    def test_nothing(self) -> None:
        """Without measurements there are no figures."""
        assert spread(Metrics().histogram("wait_seconds", "Wait.", (1, 2))) == {}

    def test_estimates(self) -> None:
        """Median and 95th percentile are estimated within their bucket, as Prometheus' histogram_quantile does."""
        histogram = Metrics().histogram("wait_seconds", "Wait.", (1, 2, 4, 8))
        for seconds in (0.5, 1.5, 1.5, 3):
            histogram.observe(seconds)
        assert spread(histogram) == {"median": 1.5, "p95": 3.6, "max": 4}

    def test_above_the_last_bound(self) -> None:
        """What is above every bound is told as the last bound: no figure is infinite, which JSON does not have."""
        histogram = Metrics().histogram("wait_seconds", "Wait.", (1, 2))
        histogram.observe(100)
        assert spread(histogram) == {"median": 2, "p95": 2, "max": 2}

    def test_of_one_label(self) -> None:
        """The figures of one label's value leave out the others."""
        histogram = Metrics().histogram("step_seconds", "Step.", (1, 2), step=("decode", "track"))
        histogram.labels("decode").observe(0.5)
        assert spread(histogram.labels("track")) == {}
        assert spread(histogram.labels("decode"))["max"] == 1
