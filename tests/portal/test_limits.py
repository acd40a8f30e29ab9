"""Rate limits for the portal: loads per second and parallel sign-ins."""

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.limits import Line, PortalLimits
from tests.fakes import FakeClock
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit


class Interrupted(Exception):
    """Raised by a pause, as by a monitor's stop command."""


def interrupt(_seconds: float) -> None:
    raise Interrupted


def never(_seconds: float) -> None:
    raise AssertionError("no wait was expected")


class TestLoads:
    def test_burst(self, clock: FakeClock) -> None:
        """Callers that come at the same moment get evenly spaced turns."""
        limits, waits = PortalLimits(loads_per_second=10, clock=clock), list[float]()
        limits.wait_for_load(never)
        for _ in range(3):
            limits.wait_for_load(waits.append)
        assert waits == pytest.approx([0.1, 0.2, 0.3])

    def test_turns_are_not_saved_up(self, clock: FakeClock) -> None:
        """After a quiet hour the next loads are still spaced."""
        limits, waits = PortalLimits(loads_per_second=10, clock=clock), list[float]()
        limits.wait_for_load(never)
        clock.advance(3600)
        limits.wait_for_load(never)
        limits.wait_for_load(waits.append)
        assert waits == pytest.approx([0.1])

    @given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.floats(0.5, 50))
    def test_never_more_than_allowed(self, gaps: list[float], rate: float) -> None:
        """Two loads are never closer than the rate allows, whenever the callers come."""
        clock, loads = FakeClock(), list[float]()
        limits = PortalLimits(loads_per_second=rate, clock=clock)
        for gap in gaps:
            clock.advance(gap)
            limits.wait_for_load(clock.advance)
            loads.append(clock.passed)
        assert all(b - a >= 1 / rate - 1e-5 for a, b in pairwise(loads))

    def test_behind(self, clock: FakeClock) -> None:
        """How far the loads are behind is how long a load that is asked for now would wait."""
        limits = PortalLimits(loads_per_second=10, clock=clock)
        assert limits.behind() == 0
        for _ in range(5):
            limits.wait_for_load(lambda _seconds: None)
        assert limits.behind() == pytest.approx(0.5)
        clock.advance(2)
        assert limits.behind() == 0

    def test_interrupted_wait(self, clock: FakeClock) -> None:
        """A wait can be interrupted, and the callers behind do not wait longer because of it."""
        limits, waits = PortalLimits(loads_per_second=10, clock=clock), list[float]()
        limits.wait_for_load(never)
        with pytest.raises(Interrupted):
            limits.wait_for_load(interrupt)
        limits.wait_for_load(waits.append)
        assert waits == pytest.approx([0.2])


class TestSignIns:
    def test_places(self, clock: FakeClock) -> None:
        """As many callers sign in at a time as there are places; the next one waits until one is free."""
        limits, waits = PortalLimits(parallel_sign_ins=2, clock=clock), list[float]()
        first, second = limits.sign_in(clock.advance), limits.sign_in(clock.advance)
        first.__enter__()
        second.__enter__()
        clock.advance(1)

        def leave_after_three(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                first.__exit__(None, None, None)

        with limits.sign_in(leave_after_three):
            assert len(waits) == 3
        second.__exit__(None, None, None)

    def test_place_is_left_with_an_error(self) -> None:
        """A sign-in that fails releases its place."""
        limits = PortalLimits(loads_per_second=1e9, parallel_sign_ins=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError), limits.sign_in(never):
                raise ZeroDivisionError

    def test_loads_too(self, clock: FakeClock) -> None:
        """A sign-in also takes a turn to load, for the reload at its end; interrupted there it releases its place."""
        limits, waits = PortalLimits(loads_per_second=10, parallel_sign_ins=1, clock=clock), list[float]()
        limits.wait_for_load(never)
        with pytest.raises(Interrupted), limits.sign_in(interrupt):
            raise AssertionError("the wait was not interrupted")
        with limits.sign_in(waits.append):
            pass
        assert waits == pytest.approx([0.2])

    def test_interrupted_wait_takes_no_place(self) -> None:
        """A caller that is interrupted while it waits takes no place."""
        limits = PortalLimits(loads_per_second=1e9, parallel_sign_ins=1)
        with limits.sign_in(never), pytest.raises(Interrupted), limits.sign_in(interrupt):
            raise AssertionError("the wait was not interrupted")
        with limits.sign_in(never):
            pass

    def test_threads(self) -> None:
        """With many threads at most the allowed number sign in at a time, and all of them do."""
        limits, lock = PortalLimits(parallel_sign_ins=3), threading.Lock()
        inside, most, done = 0, 0, 0

        def sign_in() -> None:
            nonlocal inside, most, done
            with limits.sign_in(lambda _seconds: None):
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1
                    done += 1

        threads = [threading.Thread(target=sign_in) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert done == 12
        assert most <= 3


class TestLine:
    def test_in_order(self) -> None:
        """Places are taken in the order of arrival; who stands further back looks more rarely."""
        line, order = Line(1), list[str]()
        pauses: dict[str, list[float]] = {"second": [], "third": []}
        free = threading.Event()

        def wait(name: str) -> None:
            def pause(seconds: float) -> None:
                pauses[name].append(seconds)
                if len(pauses[name]) == 1:
                    arrived[name].set()
                free.wait()

            with line.place(pause):
                order.append(name)

        arrived = {name: threading.Event() for name in pauses}
        with line.place(never):
            threads = []
            for name in pauses:
                threads.append(threading.Thread(target=wait, args=(name,)))
                threads[-1].start()
                assert arrived[name].wait(PATIENCE)
        free.set()
        for thread in threads:
            thread.join(PATIENCE)
        assert order == ["second", "third"]
        assert pauses["second"][0] < pauses["third"][0]

    def test_who_leaves_the_line_holds_up_nobody(self) -> None:
        """A thread that is interrupted while it waits leaves the line."""
        line = Line(1)
        with line.place(never), pytest.raises(Interrupted), line.place(interrupt):
            raise AssertionError("the wait was not interrupted")
        with line.place(never):
            pass


@pytest.mark.parametrize(("monitors", "seconds"), [(0, 20), (200, 20), (500, 50), (2000, 200)])
def test_interval(monitors: int, seconds: float) -> None:
    """With ten loads a second 200 students are checked every twenty seconds, more of them more rarely."""
    assert PortalLimits(loads_per_second=10).interval(20, monitors) == seconds
