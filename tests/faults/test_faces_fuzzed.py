"""Corrupted video notes in real workers: one failure does not affect the next note."""

import asyncio

import numpy as np
import pytest

from classroom.domain.face_policy import Motion
from classroom.faces import FaceUnavailable
from classroom.faces.local import LocalEngine
from tests.faults.counts import FULL
from tests.media.notes import ADMIRAL, ASTRONAUT, jpeg, portrait, recorded
from tests.waiting import PATIENCE

NOTES = 1000 if FULL else 16
ASKED = [Motion.LEFT, Motion.UP]


def mutated(note: bytes, chance: np.random.Generator) -> bytes:
    """Return a note with bytes changed, cut out, doubled or missing at the end."""
    changed = bytearray(note)
    match chance.integers(0, 4):
        case 0:
            for at in chance.integers(0, len(changed), chance.integers(1, 500)):
                changed[at] = int(chance.integers(0, 256))
        case 1:  # the head, where the container says what is in it
            for at in chance.integers(0, 600, chance.integers(1, 12)):
                changed[-int(at) - 1 if chance.random() < 0.5 else int(at)] = int(chance.integers(0, 256))
        case 2:
            at = int(chance.integers(0, len(changed)))
            del changed[at : at + int(chance.integers(1, 5000))]
        case _:
            at = int(chance.integers(0, len(changed)))
            changed[at:at] = changed[at : at + int(chance.integers(1, 5000))]
    return bytes(changed)


@pytest.mark.ordeal
async def test_changed_notes() -> None:
    """Every corrupted note gets a result or fails alone, and a valid note after each twenty is recognised."""
    engine, chance = LocalEngine(processes=2, longest=PATIENCE), np.random.default_rng(11)
    notes = [recorded(name, ("left", "up")) for name in (ASTRONAUT, ADMIRAL)]
    failed = 0
    try:
        template = await engine.template(jpeg(portrait(ASTRONAUT)))
        for start in range(0, NOTES, 20):
            batch = [mutated(notes[at % 2], chance) for at in range(start, min(start + 20, NOTES))]
            found = await asyncio.gather(
                *(engine.examine(note, ASKED, template) for note in batch), return_exceptions=True
            )
            strange = [
                each for each in found if isinstance(each, BaseException) and not isinstance(each, FaceUnavailable)
            ]
            assert strange == []
            failed += sum(isinstance(each, FaceUnavailable) for each in found)
            good = await engine.examine(notes[0], ASKED, template)
            assert good.problem is None
            assert (good.percent or 0) > 70
    finally:
        await engine.close()
    print(f"{NOTES} corrupted notes, {failed} of them crashed their worker")
