"""Renders synthetic video notes: a photograph mapped onto a 3D head that makes the requested motions.

The repository contains no recordings of people. Instead a photograph is mapped onto the relief of an average head
(below) and rendered by a camera: rotated about the neck, with the parallax of nose, eyes and cheeks, with a mouth and
brows that move as in speech. The same camera renders attacks: the photograph itself, moved, tilted, bent, or on a
screen. Tests with these show that the program's parts work together; what it does with real people has to be measured
on recordings of real people.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.floating[Any]]
Surface = Callable[[Numbers, Numbers], Numbers]
"""Height towards the camera over (right, down), all in distances between the eyes, from the point between them."""

SIZE = 384
"""Pixels: the side of a note as Telegram's apps record it (core.telegram.org: up to 640)."""
RATE = 30
_DISTANCE = 6.5  # between the camera and the eyes, in distances between the eyes (63 mm): 41 cm
_GRID = 64  # points per side at which the surface is solved; interpolated between them
_ROUNDS = 9


@dataclass(frozen=True)
class Face:
    """A photograph and the positions of the person's right and left eye, in pixels (x, y)."""

    picture: Picture
    right_eye: tuple[float, float]
    left_eye: tuple[float, float]


@dataclass(frozen=True)
class Pose:
    """Orientation and position: angles in degrees (yaw to the person's left, pitch up, roll clockwise as seen), shift
    in distances between the eyes, scale. Expression: mouth opened, its corners drawn apart, brows raised (negative:
    drawn together and down), also in distances between the eyes."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    right: float = 0.0
    down: float = 0.0
    scale: float = 1.0
    mouth: float = 0.0
    smile: float = 0.0
    brows: float = 0.0


@dataclass(frozen=True)
class Look:
    """Recording conditions: light, noise, sharpness, size of the face in the picture."""

    brightness: float = 1.0
    contrast: float = 1.0
    noise: float = 2.0  # standard deviation, of 255
    blur: float = 0.0  # standard deviation, pixels
    eyes: float = 0.21  # distance between the eyes, of the picture's side
    crf: int = 26  # x264's quality: 23 is good, 40 is bad
    mirrored: bool = False
    seed: int = 0


def head(u: Numbers, v: Numbers) -> Numbers:
    """Return the height of an average head: an ellipsoid with sockets, a nose of 21 mm, lips and a chin.

    Measures from the averages of physical anthropometry, in distances between the pupils (63 mm): half a head's width
    1.2, nose tip 40 mm below the eyes, its base 50 mm, the lips 68 mm, the chin 100 mm.
    """
    inside = 1 - (u / 1.3) ** 2 - ((v - 0.35) / 1.95) ** 2
    ball = 1.35 * np.sqrt(np.clip(inside, 0.08, None)) - 1.35
    ridge = np.interp(v, [-0.15, 0.05, 0.63, 0.80, 0.95], [0.0, 0.16, 0.46, 0.18, 0.0])
    width = np.interp(v, [-0.1, 0.3, 0.63, 0.9], [0.10, 0.12, 0.15, 0.18])
    nose = ridge * np.exp(-((u / width) ** 2) / 2)
    sockets = -0.26 * (_bump(u - 0.36, v - 0.1, 0.18, 0.2) + _bump(u + 0.36, v - 0.1, 0.18, 0.2))
    mouth = 0.07 * _bump(u, v - 1.08, 0.33, 0.13) + 0.10 * _bump(u, v - 1.55, 0.28, 0.16)
    return np.asarray(ball + nose + sockets + mouth, dtype=np.float32)


def flat(u: Numbers, v: Numbers) -> Numbers:
    """Return the height of a flat sheet of paper or a screen."""
    return np.zeros_like(u)


def bent(depth: float, angle: float = 0.0) -> Surface:
    """Return a sheet bent about an axis (degrees from upright); `depth` applies at one distance between the eyes."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def surface(u: Numbers, v: Numbers) -> Numbers:
        return np.asarray(-depth * (cos * u + sin * (v - 0.4)) ** 2, dtype=np.float32)

    return surface


def _bump(u: Numbers, v: Numbers, wide: float, high: float) -> Numbers:
    return np.asarray(np.exp(-((u / wide) ** 2 + (v / high) ** 2) / 2), dtype=np.float32)


def turned(motions: Sequence[str], *, degrees: float = 25.0, seconds: float = 1.0, rest: float = 0.45) -> list[Pose]:
    """Return a head's poses frame by frame: rest, then each motion there and back, with a hand's tremble."""
    chance = random.Random(",".join(motions) + str(degrees))
    towards = {"left": (1.0, 0.0), "right": (-1.0, 0.0), "up": (0.0, 0.85), "down": (0.0, -0.85)}
    way = [(0.0, 0.0)] * round(rest * RATE)
    for motion in motions:
        yaw, pitch = towards[motion]
        frames = round(seconds * RATE)
        there = [math.sin(math.pi * at / frames) ** 0.8 for at in range(frames)]
        way += [(yaw * degrees * part, pitch * degrees * part) for part in there]
        way += [(0.0, 0.0)] * round(rest * RATE / 2)
    way += [(0.0, 0.0)] * round(rest * RATE / 2)
    return [_trembling(Pose(yaw, pitch), at, chance) for at, (yaw, pitch) in enumerate(way)]


def _trembling(pose: Pose, at: int, chance: random.Random) -> Pose:
    slow = at / RATE
    return replace(
        pose,
        yaw=pose.yaw + 1.2 * math.sin(2.1 * slow),
        pitch=pose.pitch + 1.0 * math.sin(1.7 * slow + 1),
        roll=1.5 * math.sin(1.3 * slow + 2),
        right=0.03 * math.sin(2.9 * slow) + chance.gauss(0, 0.002),
        down=0.03 * math.sin(2.3 * slow + 1) + chance.gauss(0, 0.002),
        scale=1 + 0.01 * math.sin(1.1 * slow),
    )


def speaking(poses: Sequence[Pose], *, strength: float = 1.0, seed: int = 0) -> list[Pose]:
    """Return the poses with the expression of somebody who speaks: about three syllables a second, brows now and then.

    At strength 1 the mouth opens by 9 mm and the brows rise by 5 mm.
    """
    chance = random.Random(f"speech {seed}")
    starts = [chance.uniform(0, 2 * math.pi) for _each in range(5)]

    def wave(at: int, hertz: float, which: int) -> float:
        return math.sin(2 * math.pi * hertz * at / RATE + starts[which])

    return [
        replace(
            pose,
            mouth=strength * 0.14 * max(0.0, 0.35 + 0.65 * wave(at, 3.1, 0)) * (0.7 + 0.3 * wave(at, 0.7, 1)),
            smile=strength * 0.06 * wave(at, 0.55, 2),
            brows=strength * 0.08 * wave(at, 0.4, 3) * abs(wave(at, 0.23, 4)),
        )
        for at, pose in enumerate(poses)
    ]


def drawn(
    face: Face, poses: Sequence[Pose], surface: Surface | Sequence[Surface] = head, look: Look | None = None
) -> list[Picture]:
    """Render the surface (or one for each pose) with the photograph on it, one square BGR picture per pose."""
    look = look or Look()
    surfaces = [surface] * len(poses) if callable(surface) else surface
    return [
        _look(_picture(face, pose, each, look), look, at)
        for at, (pose, each) in enumerate(zip(poses, surfaces, strict=True))
    ]


def _picture(face: Face, pose: Pose, surface: Surface, look: Look) -> Picture:
    """Render one picture: find for each pixel the point of the surface that the camera sees there."""
    eyes = look.eyes * SIZE * pose.scale
    at = (np.arange(_GRID, dtype=np.float32) + 0.5) * SIZE / _GRID
    x, y = np.meshgrid((at - SIZE / 2) / eyes - pose.right, (at - SIZE * 0.42) / eyes - pose.down)
    x, y = x.astype(np.float32), y.astype(np.float32)
    turn = _rotation(pose)
    neck = np.array([0.0, 1.2, -1.4], dtype=np.float32) if surface is head else np.array([0.0, 0.4, 0.0], np.float32)
    u, v = x.copy(), y.copy()
    for _round in range(_ROUNDS):
        seen_x, seen_y = _seen(u, v, surface(u, v), turn, neck)
        u, v = u + 0.8 * (x - seen_x), v + 0.8 * (y - seen_y)
    skin_u, skin_v = _unexpressed(u, v, pose)
    right, left = np.array(face.right_eye), np.array(face.left_eye)
    middle, across = (right + left) / 2, left - right
    source_x = middle[0] + skin_u * across[0] - skin_v * across[1]
    source_y = middle[1] + skin_u * across[1] + skin_v * across[0]
    if surface is head:
        # the background behind the head does not move
        still_x = middle[0] + x * across[0] - y * across[1]
        still_y = middle[1] + x * across[1] + y * across[0]
        near = np.clip(2.5 - 2.2 * np.sqrt((u / 1.5) ** 2 + ((v - 0.2) / 2.2) ** 2), 0, 1)
        source_x = near * source_x + (1 - near) * still_x
        source_y = near * source_y + (1 - near) * still_y
    size = (SIZE, SIZE)
    map_x, map_y = (
        cv2.resize(each.astype(np.float32), size, interpolation=cv2.INTER_CUBIC) for each in (source_x, source_y)
    )
    seen = cv2.remap(face.picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(seen, dtype=np.uint8)


def _unexpressed(u: Numbers, v: Numbers, pose: Pose) -> tuple[Numbers, Numbers]:
    """Return where in the photograph the skin is that an expression has moved to these places."""
    jaw = np.interp(v, [1.06, 1.16, 1.6, 2.0], [0.0, 1.0, 0.9, 0.0]) * np.exp(-((u / 0.75) ** 4))
    corners = _bump(u - 0.42, v - 1.08, 0.28, 0.25) - _bump(u + 0.42, v - 1.08, 0.28, 0.25)
    lids = _bump(u - 0.5, v + 0.33, 0.4, 0.16) + _bump(u + 0.5, v + 0.33, 0.4, 0.16)
    moved = v - pose.mouth * jaw + pose.brows * lids
    return np.asarray(u - pose.smile * corners), np.asarray(moved + 0.5 * pose.smile * np.abs(corners))


def _rotation(pose: Pose) -> Numbers:
    """Return the rotation matrix of a pose; axes: right in the picture, down, towards the camera."""
    # The person's left is right in the picture.
    yaw, pitch, roll = (math.radians(angle) for angle in (pose.yaw, pose.pitch, pose.roll))
    about_down = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    about_right = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    in_picture = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    return np.asarray(in_picture @ about_right @ about_down, dtype=np.float32)


def _seen(u: Numbers, v: Numbers, height: Numbers, turn: Numbers, neck: Numbers) -> tuple[Numbers, Numbers]:
    """Project points of a surface rotated about the neck into the camera's picture."""
    points = np.stack([u - neck[0], v - neck[1], height - neck[2]])
    right, down, near = np.tensordot(turn, points, axes=1) + neck[:, None, None]
    grown = _DISTANCE / (_DISTANCE - near)
    return right * grown, down * grown


def _look(picture: Picture, look: Look, at: int) -> Picture:
    """Apply blur, light and noise to a picture."""
    values: Numbers = picture.astype(np.float32)
    if look.blur:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), look.blur), dtype=np.float32)
    values = ((values - 128) * look.contrast + 128) * look.brightness
    if look.noise:
        right, down = np.random.default_rng((look.seed, at)).integers(0, SIZE, 2)
        values = values + look.noise * np.roll(_grain(), (right, down), (0, 1))
    result = np.clip(values, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(result[:, ::-1]) if look.mirrored else result


@cache
def _grain() -> Numbers:
    """Return noise of standard deviation 1; each picture uses it at a different shift."""
    return np.random.default_rng(7).normal(0, 1, (SIZE, SIZE, 3)).astype(np.float32)


def encoded(pictures: Sequence[Picture], crf: int = 26) -> bytes:
    """Encode pictures like a Telegram video note: H.264 in mp4, without sound."""
    return _encoded(pictures, crf, {})


def _encoded(pictures: Sequence[Picture], crf: int, more: dict[str, Any]) -> bytes:
    height, width = pictures[0].shape[:2]
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": str(crf), "preset": "veryfast", **more})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    return file.getvalue()
