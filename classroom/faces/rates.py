"""Error rates of comparisons, with intervals. Distances are those of ``descriptors.apart``."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classroom.domain.face_policy import is_nearest
from classroom.faces.descriptors import Descriptor, apart

CONFIDENCE = 0.95
_HALVINGS = 50

Group = Mapping[str, Sequence[Descriptor]]  # the pictures of people of one sex and region, by person

Distances = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    """How often something was found in a number of trials."""

    found: int
    tried: int

    @property
    def share(self) -> float:
        return self.found / max(self.tried, 1)

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the probability (Clopper and Pearson), if the trials are independent."""
        outside = (1 - CONFIDENCE) / 2
        low, high = 0.0, 1.0
        if self.found:
            low = _where(lambda chance: 1 - _up_to(self.found - 1, self.tried, chance) >= outside)
        if self.found < self.tried:
            high = _where(lambda chance: _up_to(self.found, self.tried, chance) <= outside)
        return low, high

    @property
    def rest(self) -> "Rate":
        return Rate(self.tried - self.found, self.tried)


@dataclass(frozen=True)
class Pairs:
    """Distances of pairs: of all, and of independent ones only, in which nobody appears twice."""

    every: Distances
    independent: Distances

    def accepted(self, threshold: float) -> tuple[Rate, Rate]:
        """Return how many of all, and of the independent pairs, are not farther apart than a threshold."""
        every, independent = (
            Rate(int(np.count_nonzero(distances <= threshold)), distances.size)
            for distances in (self.every, self.independent)
        )
        return every, independent

    def missed(self, threshold: float) -> tuple[Rate, Rate]:
        """Return how many of all, and of the independent pairs, are farther apart than a threshold."""
        every, independent = self.accepted(threshold)
        return every.rest, independent.rest


def genuine(groups: Iterable[Group]) -> Pairs:
    """Compare each person's pictures with one another; the first two of each person are independent pairs."""
    people = [pictures for group in groups for pictures in group.values() if len(pictures) > 1]
    every = [apart(*pair) for pictures in people for pair in itertools.combinations(pictures, 2)]
    return Pairs(np.array(every), np.array([apart(*pictures[:2]) for pictures in people]))


def impostor(groups: Iterable[Group]) -> Pairs:
    """Compare the people of each group; the first one with the second, the third with the fourth ... independently."""
    every, independent = [np.empty(0)], list[float]()
    for group in groups:
        people = list(group.values())
        for one, other in itertools.combinations(people, 2):
            every.append((1 - np.array(one, np.float64) @ np.array(other, np.float64).T).ravel())
        independent += [apart(one[0], other[0]) for one, other in zip(people[::2], people[1::2], strict=False)]
    return Pairs(np.concatenate(every), np.array(independent))


def in_class(groups: Iterable[Group], threshold: float) -> tuple[Rate, Rate]:
    """Return the rates of genuine people missed and of impostors accepted who are compared with their whole group.

    The first picture of each person is the template, the second one the note. Each claims to be every other one.
    """
    right = notes = wrong = claims = 0
    for group in groups:
        templates = np.array([pictures[0] for pictures in group.values()])
        for own, pictures in enumerate(group.values()):
            if len(pictures) < 2:
                continue
            notes, claims = notes + 1, claims + len(group) - 1
            distances = 1 - templates @ pictures[1]
            nearest, *others = np.argsort(distances)[:2]
            if distances[nearest] <= threshold and is_nearest(float(distances[nearest]), distances[others].tolist()):
                right, wrong = right + int(nearest == own), wrong + int(nearest != own)
    return Rate(notes - right, notes), Rate(wrong, claims)


def _where(is_past: Callable[[float], bool]) -> float:
    """Return where between 0 and 1 a condition begins to hold."""
    low, high = 0.0, 1.0
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_past(middle) else (middle, high)
    return high


def _up_to(found: int, tried: int, chance: float) -> float:
    """Return the probability of at most ``found`` hits in ``tried`` trials."""
    hits = np.arange(found + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((tried - hits[:-1]) / (hits[:-1] + 1)))])
    return float(min(np.exp(ways + hits * np.log(chance) + (tried - hits) * np.log1p(-chance)).sum(), 1.0))
