"""Renders video notes for each challenge of a class before a benchmark.

Two people's portraits, a few renderings of each challenge, each in several lights, positions and compressions. Each
student's note is one of these with the student's number in it, so no two are the same file. Notes of a front camera are
mirrored, so a turn to the left also passes for one to the right: one rendering serves both.
"""

import random
import struct
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from classroom.domain.face_policy import new_challenge
from sandbox.video_notes import RATE, Look, Picture, drawn, encoded, head, turned
from tests.media.notes import ADMIRAL, ASTRONAUT, face, jpeg, portrait

VARIANTS, LOOKS = 2, 4  # renderings of each challenge, and looks of each
PEOPLE = (ASTRONAUT, ADMIRAL)
Challenge = tuple[str, ...]
_SWAPPED = {"left": "right", "right": "left"}


class _More(Exception):
    """Another random number is needed, below ``args[0]``."""


def challenges() -> list[Challenge]:
    """Return every challenge that can be asked."""
    found: set[Challenge] = set()
    ways: list[tuple[int, ...]] = [()]
    while ways:
        way = ways.pop()
        left = list(way)

        def below(most: int, left: list[int] = left) -> int:
            if not left:
                raise _More(most)
            return left.pop(0)

        try:
            found.add(tuple(motion.value for motion in new_challenge(below)))
        except _More as more:
            ways += [(*way, at) for at in range(more.args[0])]
    return sorted(found)


class Media:
    """A folder with notes; existing ones are reused."""

    def __init__(self, folder: Path, students: int) -> None:
        self.folder = folder
        self.students = students

    def make(self, asked: Sequence[Challenge] | None = None) -> None:
        """Render missing notes, by default for all challenges, in two processes; takes some minutes at first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = {_unmirrored(each) for each in asked or challenges()}
        jobs = [(self.folder, person, each) for person in PEOPLE for each in sorted(wanted)]
        with ProcessPoolExecutor(2) as pool:
            for _done in pool.map(_draw, jobs):
                pass

    def note(self, number: int, asked: Challenge) -> bytes:
        person, at = PEOPLE[number % len(PEOPLE)], number // len(PEOPLE) % (VARIANTS * LOOKS)
        own = f"{number} {asked}".encode()
        return _file(self.folder, person, _unmirrored(asked), at).read_bytes() + (
            struct.pack(">I4s", 8 + len(own), b"free") + own
        )

    def photos(self, folder: Path) -> None:
        """Write all ID photos: the person's portrait, cropped and compressed differently for each student."""
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(self.students):
            picture = portrait(PEOPLE[number % len(PEOPLE)])
            cut = number % 23
            content = jpeg(np.ascontiguousarray(picture[cut:, cut:]), 70 + number % 25)
            (folder / f"S{number + 1:04}.jpg").write_bytes(content)


def _unmirrored(asked: Challenge) -> Challenge:
    first = next((motion for motion in asked if motion in _SWAPPED), "left")
    return asked if first == "left" else tuple(_SWAPPED.get(motion, motion) for motion in asked)


def _file(folder: Path, person: str, asked: Challenge, at: int) -> Path:
    return folder / f"{person}-{'-'.join(asked)}-{at}.mp4"


def _draw(job: tuple[Path, str, Challenge]) -> None:
    """Render the notes for one challenge with this person's portrait."""
    folder, person, asked = job
    if all(_file(folder, person, asked, at).exists() for at in range(VARIANTS * LOOKS)):
        return
    cv2.setNumThreads(1)
    chance = random.Random(f"{person} {asked}")
    for variant in range(VARIANTS):
        poses = turned(asked, degrees=24 + 4 * variant, seconds=0.85 + 0.05 * variant, rest=0.4)
        rendering = drawn(face(person), poses, head, Look(noise=0, eyes=0.18 + 0.02 * variant))
        for look in range(LOOKS):
            move, light = (chance.randint(-12, 12), chance.randint(-8, 8)), chance.uniform(0.75, 1.1)
            pictures = [_varied(picture, move, light) for picture in rendering[: 6 * RATE]]
            file = _file(folder, person, asked, variant * LOOKS + look)
            partial = file.with_suffix(".part")
            partial.write_bytes(encoded(pictures, chance.randint(24, 29)))
            partial.rename(file)


def _varied(picture: Picture, move: tuple[int, int], light: float) -> Picture:
    return np.asarray(cv2.convertScaleAbs(np.roll(picture, move, (0, 1)), alpha=light), dtype=np.uint8)
