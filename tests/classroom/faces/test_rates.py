"""Error rates and their intervals, against figures computed by hand."""

import math

import numpy as np
import pytest

from classroom.faces import rates
from classroom.faces.descriptors import Descriptor
from classroom.faces.rates import Rate

pytestmark = pytest.mark.unit


def at(degrees: float) -> Descriptor:
    """Return a descriptor in a plane: the distance of two is one minus the cosine of the angle between them."""
    return np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))], dtype=np.float32)


# Two groups. Distances: 10 degrees 0.015, 30 degrees 0.134, 60 degrees 0.5, 90 degrees 1.
FIRST = {"a": [at(0), at(10)], "b": [at(60), at(90)], "c": [at(120)]}
SECOND = {"d": [at(0), at(0), at(60)], "e": [at(30)]}


@pytest.mark.parametrize(
    ("rate", "low", "high"),
    [
        (Rate(0, 3000), 0.0, 1 - 0.025 ** (1 / 3000)),
        (Rate(10, 10), 0.025 ** (1 / 10), 1.0),
        (Rate(1, 2), 1 - math.sqrt(0.975), math.sqrt(0.975)),
        (Rate(0, 0), 0.0, 1.0),
    ],
)
def test_interval(rate: Rate, low: float, high: float) -> None:
    """Intervals that can be solved by hand: nothing found, everything found, and one of two."""
    assert rate.interval == pytest.approx((low, high), abs=1e-9)


def test_interval_is_consistent() -> None:
    """At the limits of 30 of 1,000 the probability of as few, or as many, is 2.5 %."""
    low, high = Rate(30, 1000).interval
    assert rates._up_to(30, 1000, high) == pytest.approx(0.025, abs=1e-6)
    assert 1 - rates._up_to(29, 1000, low) == pytest.approx(0.025, abs=1e-6)
    assert low < 0.03 < high


def test_genuine() -> None:
    """All pictures of a person are compared; one pair of each person is independent."""
    pairs = rates.genuine([FIRST, SECOND])
    assert np.sort(pairs.every) == pytest.approx([0, 0.0152, 0.134, 0.5, 0.5], abs=1e-3)
    assert np.sort(pairs.independent) == pytest.approx([0, 0.0152, 0.134], abs=1e-3)
    every, independent = pairs.missed(0.2)
    assert (every, independent) == (Rate(2, 5), Rate(0, 3))


def test_impostor() -> None:
    """People of one group are compared; nobody is in two independent pairs, and nobody meets another group."""
    pairs = rates.impostor([FIRST, SECOND])
    assert pairs.every.size == 2 * 2 + 2 + 2 + 3
    assert pairs.independent == pytest.approx([0.5, 0.134], abs=1e-3)
    every, independent = pairs.accepted(0.2)
    assert (every, independent) == (Rate(4, 11), Rate(1, 2))


def test_in_class() -> None:
    """A stand-in who is nearest to the own photograph is not accepted, one who resembles another's more is."""
    # a is nearest to a; b's second picture is as far from b as from c, so nobody is the nearest by a margin
    assert rates.in_class([FIRST], 1.0) == (Rate(1, 2), Rate(0, 4))
    # nobody is farther away than the threshold allows
    assert rates.in_class([FIRST], 0.01) == (Rate(2, 2), Rate(0, 4))
    mistaken = {"a": [at(0), at(55)], "b": [at(60), at(60)]}
    assert rates.in_class([mistaken], 1.0) == (Rate(1, 2), Rate(1, 2))
    assert rates.in_class([{"alone": [at(0), at(10)]}], 1.0) == (Rate(0, 1), Rate(0, 0))
