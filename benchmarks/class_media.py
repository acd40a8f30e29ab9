"""Renders a different video note for each student and challenge of a class before a benchmark.

Two people's portraits, and a few renderings of each challenge; each student gets one of these with individual light,
position and compression. Notes of a front camera are mirrored, so a turn to the left also passes for one to the right:
three of the six challenges are rendered, and each serves two.
"""

import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from sandbox.video_notes import RATE, Look, Picture, drawn, encoded, head, turned
from tests.media.notes import ADMIRAL, ASTRONAUT, face, jpeg, portrait

CHALLENGES = [("left", "right"), ("left", "up"), ("up", "left")]
VARIANTS = 3  # renderings of each challenge
PEOPLE = (ASTRONAUT, ADMIRAL)
_SWAPPED = {"left": "right", "right": "left", "up": "up"}


class Media:
    """A folder with notes; existing ones are reused."""

    def __init__(self, folder: Path, students: int) -> None:
        self.folder = folder
        self.students = students

    def make(self) -> None:
        """Render missing notes in two processes; takes some minutes for 500."""
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = [(self.folder, person, asked) for person in PEOPLE for asked in CHALLENGES]
        with ProcessPoolExecutor(2) as pool:
            for _done in pool.map(_draw, jobs, [self.students] * len(jobs)):
                pass

    def note(self, number: int, asked: tuple[str, ...]) -> bytes:
        return _file(self.folder, number, asked).read_bytes()

    def photos(self, folder: Path) -> None:
        """Write all ID photos: the person's portrait, cropped and compressed differently for each student."""
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(self.students):
            picture = portrait(PEOPLE[number % len(PEOPLE)])
            cut = number % 23
            content = jpeg(np.ascontiguousarray(picture[cut:, cut:]), 70 + number % 25)
            (folder / f"S{number + 1:04}.jpg").write_bytes(content)


def _file(folder: Path, number: int, asked: tuple[str, ...]) -> Path:
    drawn_as = asked if asked in CHALLENGES else tuple(_SWAPPED[word] for word in asked)
    return folder / f"{number:04}-{'-'.join(drawn_as)}.mp4"


def _draw(job: tuple[Path, str, tuple[str, ...]], students: int) -> None:
    """Render the notes for one challenge of all students with this person's portrait."""
    folder, person, asked = job
    numbers = [n for n in range(students) if PEOPLE[n % len(PEOPLE)] == person and not _file(folder, n, asked).exists()]
    if not numbers:
        return
    cv2.setNumThreads(1)
    renderings: list[list[Picture]] = []
    for variant in range(VARIANTS):
        poses = turned(asked, degrees=22 + 3 * variant, seconds=0.85 + 0.05 * variant, rest=0.4)
        renderings.append(drawn(face(person), poses, head, Look(noise=0, eyes=0.18 + 0.02 * variant)))
    for number in numbers:
        chance = random.Random(f"{number} {asked}")
        rendering = renderings[number % VARIANTS]
        move, light = (chance.randint(-12, 12), chance.randint(-8, 8)), chance.uniform(0.75, 1.1)
        pictures = [_varied(picture, move, light) for picture in rendering[: 4 * RATE]]
        file = _file(folder, number, asked)
        partial = file.with_suffix(".part")
        partial.write_bytes(encoded(pictures, chance.randint(24, 29)))
        partial.rename(file)


def _varied(picture: Picture, move: tuple[int, int], light: float) -> Picture:
    return np.asarray(cv2.convertScaleAbs(np.roll(picture, move, (0, 1)), alpha=light), dtype=np.uint8)
