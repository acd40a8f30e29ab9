"""The recordings of a class: a note for each student and challenge, each another one, drawn beforehand.

Two people's portraits, each challenge drawn a few times in another way; every student has one of these with light,
place and compression of the student's own. A front camera's notes are mirrored, so one that turns to the left answers
also where the right was asked for: three of the six challenges are drawn, and each serves two.
"""

import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from sandbox.video_notes import RATE, Look, Picture, drawn, encoded, head, turned
from tests.media.notes import ADMIRAL, ASTRONAUT, face, jpeg, portrait

CHALLENGES = [("left", "right"), ("left", "up"), ("up", "left")]
VARIANTS = 3  # ways to make each challenge
PEOPLE = (ASTRONAUT, ADMIRAL)
_SWAPPED = {"left": "right", "right": "left", "up": "up"}


class Media:
    """A folder with notes and ID photos; what is there already is not drawn anew."""

    def __init__(self, folder: Path, students: int) -> None:
        """Take the folder and how many students there are."""
        self.folder = folder
        self.students = students

    def make(self) -> None:
        """Draw what is missing: two processes, some minutes for 500."""
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = [(self.folder, person, asked) for person in PEOPLE for asked in CHALLENGES]
        with ProcessPoolExecutor(2) as pool:
            for _done in pool.map(_draw, jobs, [self.students] * len(jobs)):
                pass

    def note(self, number: int, asked: tuple[str, ...]) -> bytes:
        """Return a student's note."""
        return _file(self.folder, number, asked).read_bytes()

    def photos(self, folder: Path) -> None:
        """Write everybody's ID photo: the person's portrait, each cut and compressed in its own way."""
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
    """Draw one person's notes for one challenge, for all students who are this person."""
    folder, person, asked = job
    numbers = [n for n in range(students) if PEOPLE[n % len(PEOPLE)] == person and not _file(folder, n, asked).exists()]
    if not numbers:
        return
    cv2.setNumThreads(1)
    ways: list[list[Picture]] = []
    for variant in range(VARIANTS):
        poses = turned(asked, degrees=22 + 3 * variant, seconds=0.85 + 0.05 * variant, rest=0.4)
        ways.append(drawn(face(person), poses, head, Look(noise=0, eyes=0.18 + 0.02 * variant)))
    for number in numbers:
        chance = random.Random(f"{number} {asked}")
        way = ways[number % VARIANTS]
        move, light = (chance.randint(-12, 12), chance.randint(-8, 8)), chance.uniform(0.75, 1.1)
        pictures = [_varied(picture, move, light) for picture in way[: 4 * RATE]]
        file = _file(folder, number, asked)
        partial = file.with_suffix(".part")
        partial.write_bytes(encoded(pictures, chance.randint(24, 29)))
        partial.rename(file)


def _varied(picture: Picture, move: tuple[int, int], light: float) -> Picture:
    return np.asarray(cv2.convertScaleAbs(np.roll(picture, move, (0, 1)), alpha=light), dtype=np.uint8)
