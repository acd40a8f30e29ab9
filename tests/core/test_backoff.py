"""Growing pauses between attempts."""

import pytest

from core.backoff import Backoff

pytestmark = pytest.mark.unit


def test_doubles_up_to_the_longest() -> None:
    """Each pause is twice the one before, up to the longest."""
    backoff = Backoff(2, 15)
    assert [backoff.next() for _ in range(5)] == [2, 4, 8, 15, 15]
    assert backoff.failures == 5


def test_begins_again_after_a_success() -> None:
    """After a reset the pauses begin with the first one."""
    backoff = Backoff(1, 60)
    for _ in range(3):
        backoff.next()
    backoff.reset()
    assert [backoff.next(), backoff.next()] == [1, 2]


def test_jitter() -> None:
    """Each pause is multiplied by a new factor, the longest one too."""
    factors = iter([0.5, 1.0, 0.75])
    backoff = Backoff(2, 4, lambda: next(factors))
    assert [backoff.next() for _ in range(3)] == [1, 4, 3]


def test_many_failures() -> None:
    """Thousands of failures in a row still give the longest pause."""
    backoff = Backoff(1, 300, failures=5000)
    assert backoff.next() == 300


def test_another_longest() -> None:
    """A longest pause that changes meanwhile counts from the next failure on."""
    backoff = Backoff(2, 4)
    for _ in range(4):
        backoff.next()
    backoff.longest = 600
    assert backoff.next() == 32
