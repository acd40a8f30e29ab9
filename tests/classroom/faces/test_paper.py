"""Photographs held before the camera pass no challenge; a recording on a screen is known to."""

import pytest

from classroom.domain.face_policy import Motion, Problem
from classroom.faces.examining import check_challenge
from tests.media.notes import ADMIRAL, ASTRONAUT, face
from tests.media.paper import Attack, attacks, note_of, still_photograph

pytestmark = pytest.mark.integration

FEW = [
    Attack("flat", ("left", "right"), 1.4, 0),
    Attack("bent", ("down", "left"), 1.0, 1),  # folded along the nose
]


def check(attack: Attack) -> None:
    checked = check_challenge(
        note_of(attack, face((ASTRONAUT, ADMIRAL)[attack.number % 2])), [Motion(word) for word in attack.asked]
    )
    assert checked.problem in (Problem.FLAT, Problem.NOT_SEEN, Problem.CUT, Problem.NO_FACE), checked.details


def test_number() -> None:
    """There are 144 different attacks, 36 of each kind."""
    every = attacks()
    assert len(set(map(str, every))) == 144
    assert {kind: sum(each.kind == kind for each in every) for kind in ("flat", "tilted", "waved", "bent")} == {
        "flat": 36,
        "tilted": 36,
        "waved": 36,
        "bent": 36,
    }


@pytest.mark.parametrize("attack", FEW, ids=str)
def test_paper(attack: Attack) -> None:
    """A photograph that is turned, tilted, waved, bent or folded as asked does not pass."""
    check(attack)


@pytest.mark.ordeal
@pytest.mark.parametrize("attack", attacks(), ids=str)
def test_paper_in_many_ways(attack: Attack) -> None:
    """None of the 144 attacks passes."""
    check(attack)


def test_still_photograph_that_speaks() -> None:
    """A photograph held still, with a mouth and brows moved by a program, has made no motion."""
    assert check_challenge(still_photograph(face(ASTRONAUT), ("left", "up")), [Motion.LEFT, Motion.UP]).problem
