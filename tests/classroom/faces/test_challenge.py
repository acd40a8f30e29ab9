"""Motions found in made-up shifts, and the problems of notes."""

from collections.abc import Sequence

import numpy as np
import pytest
from classroom.faces.following import FaceView, Followed, Moment
from classroom.faces.models import Found
from classroom.faces.relief import Shift

from classroom.domain.face_policy import Motion, Problem
from classroom.faces import challenge

pytestmark = pytest.mark.unit


LEFT, RIGHT, UP, DOWN = (0.15, 0.0), (-0.15, 0.0), (0.0, -0.15), (0.0, 0.15)
PICTURE = np.zeros((4, 4, 3), dtype=np.uint8)


def moments(*shifts: tuple[float, float] | None, smooth: float = 0.0) -> list[Moment]:
    """Return four pictures of each shift, with frontal pictures in between."""
    made: list[Moment] = []
    for shift in shifts:
        for each in [(0.0, 0.0)] * 3 + [shift] * 4:
            made.append(Moment(len(made) / 10, None if each is None else Shift(*each, 0.01, smooth)))
    return made


def followed(way: list[Moment], views: int = 5, two: int = 0) -> Followed:
    """Return the observations of such pictures."""
    view = FaceView(0, PICTURE, Found(0, 0, 4, 4), 0, 1)
    return Followed(way, [view] * views, looked=max(views, 5), two_faces=two)


@pytest.mark.parametrize(
    ("shifts", "asked"),
    [
        ([LEFT, UP], [Motion.LEFT, Motion.UP]),
        ([RIGHT, UP], [Motion.LEFT, Motion.UP]),  # a front camera's note is mirrored
        ([UP, DOWN, RIGHT], [Motion.UP, Motion.RIGHT]),  # the head nods on its way back
        ([LEFT, LEFT, RIGHT], [Motion.LEFT, Motion.RIGHT]),  # a turn with a stop in the middle
        ([(0.12, 0.05), UP], [Motion.LEFT, Motion.UP]),
    ],
)
def test_done(shifts: Sequence[tuple[float, float]], asked: list[Motion]) -> None:
    """The motions of the challenge in their order are accepted, mirrored or not."""
    assert challenge.problem(followed(moments(*shifts)), asked) is None


@pytest.mark.parametrize(
    "shifts",
    [[UP, LEFT], [LEFT], [LEFT, UP, RIGHT], [LEFT, RIGHT], [(0.05, 0.0), UP], [UP], [LEFT, DOWN]],
)
def test_not_done(shifts: Sequence[tuple[float, float]]) -> None:
    """Another order, a missing or extra motion, or too small motions: not followed."""
    asked = [Motion.LEFT, Motion.UP]
    assert challenge.problem(followed(moments(*shifts)), asked) is Problem.NOT_SEEN


def test_flat() -> None:
    """A moved object without relief is flat; an object at rest has not followed."""
    still = moments((0.0, 0.0), (0.01, 0.0))
    moved = moments((0.0, 0.0), (0.01, 0.0), smooth=0.2)
    assert challenge.problem(followed(still), [Motion.LEFT, Motion.UP]) is Problem.NOT_SEEN
    assert challenge.problem(followed(moved), [Motion.LEFT, Motion.UP]) is Problem.FLAT


def test_faces() -> None:
    """No face, two faces, and a face that was mostly out of view are three different problems."""
    way, asked = moments(LEFT, UP), [Motion.LEFT, Motion.UP]
    assert challenge.problem(followed(way, views=0), asked) is Problem.NO_FACE
    assert challenge.problem(followed(way, two=2), asked) is Problem.TWO_FACES
    assert challenge.problem(followed(way, two=1), asked) is None  # somebody walked by
    assert challenge.problem(followed([*way, *moments(*[None] * 3), *moments(*[None] * 3)]), asked) is None
    mostly_lost = [Moment(each.at, None) for each in way * 2]
    assert challenge.problem(followed([*way, *mostly_lost]), asked) is Problem.CUT


def test_a_picture_is_no_motion() -> None:
    """A single wrong measurement is not a motion."""
    way = moments((0.0, 0.0))
    way[3] = Moment(0.3, Shift(0.2, 0.0, 0.01, 0.0))
    assert challenge.motions(way) == []
