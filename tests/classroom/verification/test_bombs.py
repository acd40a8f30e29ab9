"""Hostile notes in a class, in real workers: nobody else waits for them."""

import struct
import time
from collections.abc import Sequence
from typing import Any

import pytest

from classroom.faces.local import LocalEngine
from classroom.photos import IdPhoto
from sandbox.video_notes import _encoded
from tests.classroom.verification.queue_scene import FakePhotos, Scene, eventually
from tests.media.hostile import Encoded, File, growing_note, pictures
from tests.media.notes import ASTRONAUT, jpeg, portrait, recorded
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration

STUDENTS, EVERY = 60, 10
DELAY = 5.0  # seconds


class Times(list[tuple[str, str]]):
    """The reported outcomes, with the time of each."""

    def __init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()
        self.at: dict[str, float] = {}

    def append(self, outcome: tuple[str, str]) -> None:
        """Add an outcome."""
        super().append(outcome)
        self.at[outcome[0]] = time.monotonic() - self.began


def bombs() -> list[bytes]:
    """Return notes that grow, that name other files, and the slowest one that is decoded at all."""
    still = Encoded.of(_encoded(pictures(640, 1, noise=120), 44, {"preset": "medium"}))
    many = [still.samples[0]] * 1900
    return [
        growing_note(large=8192),
        growing_note(large=4096, is_raw=True),
        b"ffconcat version 1.0\nfile 'data/photos/S001.jpg'\n",
        File(still.avcc, many, side=640, ticks=1000, steps=[(len(many), 30)]).content(),
    ]


def numbered(note: bytes, number: int) -> bytes:
    """Return a note that no other student has sent."""
    return note + struct.pack(">I4sI", 12, b"free", number)


class OnePhoto(FakePhotos):
    """The same ID photo for all students."""

    async def photo(self, student_id: str) -> IdPhoto:
        """Return the picture."""
        return IdPhoto(jpeg(portrait(ASTRONAUT)), self.version)


async def times(scene: Scene, contents: Sequence[bytes], message: int) -> Times:
    """Send all notes at once; return when each was answered. ``message`` is larger than in the round before."""
    queue = scene.verification(at_once=3)
    for number, content in enumerate(contents, 1):
        scene.notes.content[f"note {number}.{message + number}"] = numbered(content, message + number)
        queue.submit(await scene.sends(number, message=message + number))
    reported = scene.reported = Times()
    queue.start()
    await eventually(lambda: len(reported) == len(contents), PATIENCE)
    await queue.close()
    return reported


@pytest.mark.ordeal
async def test_a_bomb_every_tenth_note(scene: Scene) -> None:
    """A bomb as every tenth note of sixty delays no other student by more than five seconds."""
    engine: Any = LocalEngine(processes=2, longest=PATIENCE)
    scene.engine, scene.photos = engine, OnePhoto()
    ordinary = [recorded(ASTRONAUT, ("left", "up"))] * STUDENTS
    hostile = bombs()
    mixed = [
        hostile[number // EVERY % len(hostile)] if number % EVERY == 0 else note for number, note in enumerate(ordinary)
    ]
    try:
        await times(scene, ordinary, 1000)  # templates are made
        without, among = await times(scene, ordinary, 2000), await times(scene, mixed, 3000)
    finally:
        await engine.close()
    words = dict(among)
    late = {who: among.at[who] - without.at[who] for who in without.at if words[who] == "match"}
    print(f"all answered after {max(without.at.values()):.1f} s, with bombs {max(among.at.values()):.1f} s;")
    print(f"the others at most {max(late.values()):.1f} s later")
    assert len(late) == STUDENTS - STUDENTS // EVERY
    assert sorted({words[who] for who in words} - {"match"}) == ["retry"]
    # on a machine that is busy with other things everything takes longer
    assert max(late.values()) < max(DELAY, max(without.at.values()) / 3)
