"""A trial of the face check: what the videos' names tell, the table, and the figures."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from classroom.domain.face_policy import Examined, Motion, Problem
from classroom.faces import PhotoUnusable, record

LEFT, RIGHT, UP, DOWN = Motion.LEFT, Motion.RIGHT, Motion.UP, Motion.DOWN


class Checks:
    """Takes a video's bytes for the person and the motions in it ("p1 left up"), a photo's for the person."""

    prepared = False

    def prepare(self) -> None:
        self.prepared = True

    def template_of(self, photo: bytes) -> bytes:
        if photo == b"nobody":
            raise PhotoUnusable("no face in it")
        return photo

    def check_challenge(self, note: bytes, motions: Sequence[Motion]) -> Examined:
        seen = tuple(Motion(word) for word in note.decode().split()[1:])
        return Examined(problem=None if seen == tuple(motions) else Problem.NOT_SEEN, seen=seen)

    def examine(self, note: bytes, motions: Sequence[Motion], template: bytes) -> Examined:
        checked = self.check_challenge(note, motions)
        return Examined(seen=checked.seen, percent=88.0 if note.split()[0] == template else 41.0)


def test_plan() -> None:
    """Each person records the six challenges of two motions that are asked for, and two videos without a motion."""
    names = record.plan()
    assert len(names) == 8
    assert {"left-right", "up-left", "right-up", "still", "talking"} < set(names)
    assert not any("down" in name for name in names)


@pytest.mark.parametrize(
    ("name", "kind", "motions"),
    [
        ("left-up", "challenge", (LEFT, UP)),
        ("left-up-dim-2", "challenge", (LEFT, UP)),
        ("right-down-left", "challenge", (RIGHT, DOWN, LEFT)),
        ("attack-up-right-photo", "attack", (UP, RIGHT)),
        ("still", "still", ()),
        ("talking-2", "still", ()),
    ],
)
def test_names(name: str, kind: str, motions: tuple[Motion, ...]) -> None:
    """A video's name tells what it shows."""
    assert record.what_it_shows(name) == (kind, motions)


@pytest.mark.parametrize("name", ["holiday", "attack", "", "dim-left"])
def test_names_that_tell_nothing(name: str) -> None:
    """Other names have no kind."""
    assert record.what_it_shows(name) == ("", ())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a trial of two people with a photo, and one without."""
    files = {
        "p1/id.jpg": b"p1",
        "p1/left-up.mp4": b"p1 left up",
        "p1/up-right.mp4": b"p1 up",  # the turn is missing
        "p1/still.mp4": b"p1",
        "p1/attack-left-up-photo.mp4": b"p1",
        "p1/holiday.mp4": b"p1",
        "p2/id.png": b"p2",
        "p2/right-down.mp4": b"p2 right down",
        "p2/talking.mp4": b"p2 left",
        "p3/id.jpg": b"nobody",
        "p3/left-right.mp4": b"p3 left right",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def test_trial(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every video is checked, compared with every ID photo, and counted; what can't be used is named."""
    checks = Checks()
    assert record.main([str(folder)], checks) == 0
    assert checks.prepared
    shown = capsys.readouterr()
    assert [line.split() for line in shown.out.splitlines()[1:8]] == [
        ["p1", "attack-left-up-photo.mp4", "not", "seen", "none", "-", "-"],
        ["p1", "left-up.mp4", "passed", "left", "up", "88.0", "41.0"],
        ["p1", "still.mp4", "still", "none", "-", "-"],
        ["p1", "up-right.mp4", "not", "seen", "up", "-", "-"],
        ["p2", "right-down.mp4", "passed", "right", "down", "88.0", "41.0"],
        ["p2", "talking.mp4", "motion", "left", "-", "-"],
        ["p3", "left-right.mp4", "passed", "left", "right", "-", "41.0"],
    ]
    assert shown.out.splitlines()[8:] == [
        "challenges passed: 3 of 4, 75.0 % (19.4 to 99.4)",
        "still or talking, but a motion was seen: 1 of 2, 50.0 % (1.3 to 98.7)",
        "attacks that passed: 0 of 1, 0.0 % (0.0 to 97.5)",
        "own ID photo 70 % alike or more: 2 of 2, 100.0 % (15.8 to 100.0)",
        "pairs of two people 70 % alike or more: 0 of 3, 0.0 % (0.0 to 70.8)",
    ]
    assert "p1/holiday.mp4: its name tells no motion" in shown.err
    assert "no face in it" in shown.err
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert lines[1] == {
        "person": "p1",
        "video": "left-up.mp4",
        "kind": "challenge",
        "asked": ["left", "up"],
        "seen": ["left", "up"],
        "problem": None,
        "own": 88.0,
        "others": {"p2": 41.0},
    }


def test_nothing_to_try(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without videos ends with an error code; the plan names the files."""
    assert record.main([str(tmp_path)], Checks()) == 1
    assert record.main([str(tmp_path), "--plan"], Checks()) == 0
    assert "left-right.mp4" in capsys.readouterr().out
