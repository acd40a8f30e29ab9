"""People who speak without moving their head: drawings with a mouth and brows that move."""

from functools import cache

import pytest

from classroom.domain.face_policy import Motion, Problem
from classroom.faces.examining import check_challenge
from sandbox.video_notes import Look, drawn, encoded, speaking, turned
from tests.media.notes import ADMIRAL, ASTRONAUT, face

pytestmark = pytest.mark.integration


@cache
def still(name: str, strength: float, seed: int) -> bytes:
    """Return a note of somebody who speaks for 2.6 s, the head at rest."""
    poses = speaking(turned((), rest=2.6), strength=strength, seed=seed)
    return encoded(drawn(face(name), poses, look=Look(seed=seed)))


def test_speaking() -> None:
    """Who speaks with the head at rest has made no motion, and is not taken for a photograph."""
    checked = check_challenge(still(ADMIRAL, 2.0, 3), [Motion.LEFT, Motion.UP])
    assert checked.seen == ()
    assert checked.problem is Problem.NOT_SEEN


def test_speaking_while_turning() -> None:
    """Who speaks while turning the head has made the motions, and no others."""
    poses = speaking(turned(("left", "right"), seconds=0.8, rest=0.35))
    checked = check_challenge(encoded(drawn(face(ADMIRAL), poses)), [Motion.LEFT, Motion.RIGHT])
    assert checked.problem is None
    assert checked.seen == (Motion.LEFT, Motion.RIGHT)


@pytest.mark.ordeal
@pytest.mark.parametrize("name", [ADMIRAL, ASTRONAUT])
@pytest.mark.parametrize("strength", [0.7, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_speaking_in_many_ways(name: str, strength: float, seed: int) -> None:
    """No way of speaking is a motion of the head or a photograph."""
    checked = check_challenge(still(name, strength, seed), [Motion.RIGHT, Motion.DOWN])
    assert checked.seen == ()
    assert checked.problem is Problem.NOT_SEEN
