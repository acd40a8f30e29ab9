"""The shift of the nose, on computed points."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.faces import relief

pytestmark = pytest.mark.unit


Points = npt.NDArray[np.float64]
DISTANCE = 6.5  # of the camera, in distances between the eyes


def points(seed: int = 1, count: int = 160) -> Points:
    """Return points on a face, more of them on the nose."""
    chance = np.random.default_rng(seed)
    rest = np.stack([chance.uniform(-1, 1, count), chance.uniform(-0.6, 1.5, count)], axis=1)
    nose = np.stack([chance.uniform(-0.3, 0.3, count // 3), chance.uniform(0.2, 0.95, count // 3)], axis=1)
    return np.concatenate([rest, nose])


def seen(own: Points, height: Points, yaw: float, pitch: float, roll: float = 0.0) -> Points:
    """Return where a camera sees points of a given height after a rotation in degrees."""
    yaw, pitch, roll = math.radians(yaw), math.radians(pitch), math.radians(roll)
    about_down = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    about_right = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    around = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    space = np.column_stack([own, height]) @ (around @ about_right @ about_down).T
    return np.asarray(space[:, :2] * (DISTANCE / (DISTANCE - space[:, 2:])))


def moved(surface: npt.NDArray[np.float64], yaw: float, pitch: float, roll: float = 0.0) -> relief.Shift:
    """Return the shift between a frontal and a rotated surface."""
    own = points()
    front = seen(own, surface, 0, 0)
    return relief.shift(front.astype(np.float32), seen(own, surface, yaw, pitch, roll).astype(np.float32))


def head() -> Points:
    """Return the heights of a ball with a nose."""
    own = points()
    ball = 1.35 * np.sqrt(np.clip(1 - (own[:, 0] / 1.5) ** 2 - ((own[:, 1] - 0.35) / 2) ** 2, 0.05, None))
    return np.asarray(ball + 0.34 * relief.nose(own.astype(np.float32)))


@pytest.mark.parametrize("yaw", [15, 25, -15, -25])
def test_turned_head(yaw: int) -> None:
    """The nose moves to the side to which the head turns, by about a third of the angle's sine."""
    shift = moved(head(), yaw, 0)
    assert shift.right == pytest.approx(0.34 * math.sin(math.radians(yaw)), rel=0.35)
    assert abs(shift.down) < 0.03


def test_head_that_looks_up() -> None:
    """A head that looks up moves its nose up."""
    shift = moved(head(), 0, 20)
    assert shift.down < -0.07
    assert abs(shift.right) < 0.02


@given(
    st.floats(-40, 40),
    st.floats(-40, 40),
    st.floats(-30, 30),
    st.floats(-0.4, 0.4),
    st.floats(0, 180),
)
def test_sheet(yaw: float, pitch: float, roll: float, depth: float, axis: float) -> None:
    """A sheet has no relief, however it is turned, tilted and bent."""
    own = points()
    along = math.cos(math.radians(axis)) * own[:, 0] + math.sin(math.radians(axis)) * (own[:, 1] - 0.4)
    shift = moved(-depth * along**2, yaw, pitch, roll)
    assert shift.size < 0.04


@pytest.mark.parametrize("axis", [0, 45, 90, 135])
def test_folded_sheet(axis: int) -> None:
    """A sheet folded through the middle of the face has less relief than a motion needs."""
    own = points()
    along = math.cos(math.radians(axis)) * own[:, 0] + math.sin(math.radians(axis)) * (own[:, 1] - 0.5)
    assert moved(-0.4 * np.abs(along), 30, 0).size < 0.05
    assert moved(-0.4 * np.abs(along), 0, 30).size < 0.05


def test_lost_points() -> None:
    """Points lost to the background change the result very little."""
    own = points()
    front, after = seen(own, head(), 0, 0), seen(own, head(), 20, 0)
    whole = relief.shift(front.astype(np.float32), after.astype(np.float32))
    after[::6] = front[::6] + np.random.default_rng(3).normal(0, 0.5, after[::6].shape)
    lost = relief.shift(front.astype(np.float32), after.astype(np.float32))
    assert lost.right == pytest.approx(whole.right, abs=0.02)


def test_too_few_points() -> None:
    """Too few points raise an error instead of giving a wrong result."""
    few = points()[: relief.LEAST_POINTS - 1].astype(np.float32)
    with pytest.raises(ValueError, match="too few"):
        relief.shift(few, few)


def test_own_coordinates() -> None:
    """A face's coordinates give the points of the picture again, at any angle and size."""
    five = np.array([[140, 80], [120, 84], [60, 100], [80, 96], [104, 130]], dtype=np.float32)
    frame = relief.coordinates_of(five)
    there = frame.own(five)
    assert np.allclose(there * frame.eyes @ frame.axes.T + frame.origin, five, atol=1e-3)
    assert there[:4].mean(axis=0) == pytest.approx([0, 0], abs=1e-5)
    assert (there[0] + there[1])[0] / 2 == pytest.approx(0.5, abs=1e-5)
