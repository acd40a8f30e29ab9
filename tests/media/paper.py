"""Draws attacks with a photograph held before the camera: `python -m tests.media.paper FOLDER [PHOTO...] [--check]`

Somebody holds a photograph of another person before the camera and imitates the motions that are asked for: turns and
tilts it, waves it, bends it like a cylinder or folds it along the nose. Each attack has perspective, a hand's tremble,
light that changes with the angle, blur and noise. There are 144: four kinds, six challenges, three strengths, two
photographs. The command writes them as notes into FOLDER/KIND/, and says with ``--check`` what the engine makes of
them; without photographs it uses the portraits that ship inside packages.
"""

import argparse
import itertools
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from classroom.domain.face_policy import Motion
from classroom.faces import examining
from sandbox.video_notes import (
    RATE,
    SIZE,
    Face,
    Look,
    Numbers,
    Picture,
    Pose,
    Surface,
    drawn,
    encoded,
    flat,
    head,
    speaking,
    turned,
)
from tests.media.notes import ADMIRAL, ASTRONAUT, face

KINDS = ("flat", "tilted", "waved", "bent")
CHALLENGES = (
    ("left", "right"),
    ("right", "up"),
    ("left", "down"),
    ("up", "right"),
    ("down", "left"),
    ("right", "up", "left"),
)
STRENGTHS = (0.6, 1.0, 1.4)
_DEGREES = 32.0  # of a turn at strength 1
_REST, _SECONDS = 0.35, 0.8


@dataclass(frozen=True)
class Attack:
    """A photograph that imitates the motions of a challenge."""

    kind: str
    asked: tuple[str, ...]
    strength: float
    number: int  # varies light, noise, and how it is bent

    def __str__(self) -> str:
        return f"{self.kind}-{'-'.join(self.asked)}-{round(100 * self.strength)}-{self.number}"


def attacks(photographs: int = 2) -> list[Attack]:
    """Return all attacks; the photograph of each is its number modulo their number."""
    every = itertools.product(KINDS, CHALLENGES, STRENGTHS, range(photographs))
    return [Attack(kind, asked, strength, number) for kind, asked, strength, number in every]


def note_of(attack: Attack, shown: Face) -> bytes:
    """Return the attack as a round note."""
    return encoded(pictures_of(attack, shown))


def pictures_of(attack: Attack, shown: Face) -> list[Picture]:
    poses = turned(attack.asked, degrees=_DEGREES * attack.strength, seconds=_SECONDS, rest=_REST)
    poses = [_held(attack, pose, at) for at, pose in enumerate(poses)]
    surfaces = [_surface(attack, pose, at) for at, pose in enumerate(poses)]
    look = Look(noise=2.0 + attack.number % 3, blur=0.4, eyes=0.19, seed=attack.number)
    drawn_pictures = drawn(shown, poses, surfaces, look)
    return [_lit(picture, pose, attack.number) for picture, pose in zip(drawn_pictures, poses, strict=True)]


def _held(attack: Attack, pose: Pose, at: int) -> Pose:
    """Return the pose of the sheet: what a hand adds to the imitated motion."""
    if attack.kind == "tilted":  # moved along and rotated in its plane with the motion
        return replace(
            pose,
            roll=pose.roll + 0.5 * pose.yaw,
            right=pose.right + pose.yaw / 60,
            down=pose.down - pose.pitch / 60,
            scale=pose.scale * (1 + 0.12 * math.sin(1.9 * at / RATE)),
        )
    if attack.kind == "waved":  # nearer and farther, up and down, all the time
        slow = 2 * math.pi * at / RATE
        return replace(
            pose,
            yaw=pose.yaw + 8 * attack.strength * math.sin(1.3 * slow),
            pitch=pose.pitch + 6 * attack.strength * math.sin(0.9 * slow + 1),
            right=pose.right + 0.15 * math.sin(0.8 * slow),
            scale=pose.scale * (1 + 0.1 * math.sin(0.6 * slow)),
        )
    return pose


def _surface(attack: Attack, pose: Pose, at: int) -> Surface:
    """Return the sheet's form at that moment."""
    if attack.kind == "waved":
        return _waving(0.10 * attack.strength, 2 * math.pi * 0.8 * at / RATE)
    if attack.kind == "bent":
        moved = max(abs(pose.yaw), abs(pose.pitch)) / _DEGREES  # bent further while it is turned
        form = _folded if attack.number % 2 else _curved
        return form(attack.strength * 0.3 + 0.2 * moved, 90.0 if attack.asked[0] in ("up", "down") else 0.0)
    return flat


def _waving(depth: float, phase: float) -> Surface:
    def surface(u: Numbers, v: Numbers) -> Numbers:
        return np.asarray(depth * np.sin(2.2 * u + 1.4 * v + phase), dtype=np.float32)

    return surface


def _curved(depth: float, axis: float) -> Surface:
    """Return a sheet curved like a cylinder about an axis (degrees from upright), straight towards its edges."""
    cos, sin = math.cos(math.radians(axis)), math.sin(math.radians(axis))

    def surface(u: Numbers, v: Numbers) -> Numbers:
        across = np.abs(cos * u + sin * (v - 0.4))
        return np.asarray(-depth * np.where(across < 1.3, across**2, 2.6 * across - 1.69), dtype=np.float32)

    return surface


def _folded(depth: float, axis: float) -> Surface:
    """Return a sheet folded along the nose (or below the eyes) like a roof; the ridge is a little round."""
    cos, sin = math.cos(math.radians(axis)), math.sin(math.radians(axis))

    def surface(u: Numbers, v: Numbers) -> Numbers:
        across = cos * u + sin * (v - 0.4)
        return np.asarray(-1.2 * depth * (np.sqrt(across**2 + 0.02) - math.sqrt(0.02)), dtype=np.float32)

    return surface


def _lit(picture: Picture, pose: Pose, number: int) -> Picture:
    """Return the picture with light that comes from one side and changes with the sheet's angle."""
    towards = math.radians(pose.yaw * (1 if number % 2 else -1) + 0.5 * pose.pitch)
    slope = np.linspace(-0.12, 0.12, SIZE, dtype=np.float32)[None, :, None]
    values = picture.astype(np.float32) * (0.92 + 0.25 * math.sin(towards) + slope)
    return np.clip(values, 0, 255).astype(np.uint8)


def on_a_screen(shown: Face, asked: tuple[str, ...], seed: int = 0) -> bytes:
    """Return a recording of the person with the motions, played on a screen and filmed: no challenge stops this."""
    poses = turned(asked, seconds=_SECONDS, rest=_REST)
    played = drawn(shown, speaking(poses, strength=0.5, seed=seed), head)
    held = [replace(Pose(), right=0.02 * math.sin(at / 9), roll=1.5 * math.sin(at / 13)) for at in range(len(played))]
    side, eyes = float(SIZE), Look().eyes * SIZE
    filmed = []
    for at, picture in enumerate(played):
        middle = side / 2, side * 0.42
        screen = Face(_grid(picture, at), (middle[0] - eyes / 2, middle[1]), (middle[0] + eyes / 2, middle[1]))
        filmed += drawn(screen, [held[at]], flat, Look(eyes=0.2, blur=0.5, noise=3, seed=at))
    return encoded(filmed)


def _grid(picture: Picture, at: int) -> Picture:
    """Return a picture as on a screen: pixel rows, a refresh that wanders, less contrast."""
    rows = 1 + 0.05 * np.sin(np.arange(SIZE, dtype=np.float32) * 2.6 + at)[:, None, None]
    return np.asarray(np.clip(20 + 0.85 * picture.astype(np.float32) * rows, 0, 255), dtype=np.uint8)


def still_photograph(shown: Face, asked: tuple[str, ...]) -> bytes:
    """Return a photograph held still whose mouth and brows a program moves."""
    poses = turned(asked, degrees=0.0, seconds=_SECONDS, rest=_REST)
    return encoded(drawn(shown, speaking(poses), flat))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the attacks; with ``--check``, return 1 if one of them passes."""
    parser = argparse.ArgumentParser(prog="python -m tests.media.paper", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the notes are written")
    parser.add_argument("photographs", type=Path, nargs="*", help="JPEG or PNG with one face each")
    parser.add_argument("--check", action="store_true", help="say what the engine makes of each")
    given = parser.parse_args(arguments)
    examining.prepare()
    faces = [face(str(path.resolve())) for path in given.photographs] or [face(ASTRONAUT), face(ADMIRAL)]
    counted: Counter[str] = Counter()
    for attack, note in _written(given.folder, faces):
        if given.check:
            checked = examining.check_challenge(note, [Motion(word) for word in attack.asked])
            counted[str(checked.problem or "passed")] += 1
            print(f"{attack}: {checked.problem or 'PASSED'}; {checked.details}", flush=True)
    if given.check:
        print(", ".join(f"{name}: {count}" for name, count in sorted(counted.items())))
    return 1 if counted["passed"] else 0


def _written(folder: Path, faces: Sequence[Face]) -> Iterator[tuple[Attack, bytes]]:
    for number, attack in enumerate(attacks()):
        note = note_of(attack, faces[number % len(faces)])
        path = folder / attack.kind / f"{number:03}-{attack}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(note)
        yield attack, note


if __name__ == "__main__":
    sys.exit(main())
