"""The recorder for trials of the face check, with a camera that is a function."""

import io
import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from sandbox.video_notes import RATE, SIZE, Picture
from tools.trial_camera import main, record, square


def test_recorded(tmp_path: Path) -> None:
    """What is missing is recorded as a square video with the right duration; what is skipped or exists is not."""
    wide: Picture = np.full((480, 640, 3), 120, dtype=np.uint8)
    kept = tmp_path / "p1" / "up-left.mp4"
    kept.parent.mkdir()
    kept.write_bytes(b"kept")
    asked: list[str] = []
    times = itertools.count(0, 0.01)

    def ask(question: str) -> str:
        asked.append(question)
        return "s" if "still" in question else ""

    record(
        tmp_path / "p1",
        ["left-up", "up-left", "still"],
        lambda: (True, wide),
        ask,
        seconds=0.4,
        now=lambda: next(times),
    )
    assert [question.split(":")[0] for question in asked] == ["left, then up", "still"]
    assert sorted(path.name for path in kept.parent.iterdir()) == ["left-up.mp4", "up-left.mp4"]
    assert kept.read_bytes() == b"kept"
    with av.open(io.BytesIO((tmp_path / "p1" / "left-up.mp4").read_bytes()), "r") as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height, stream.codec_context.name) == (SIZE, SIZE, "h264")
        assert 0.35 <= sum(1 for _frame in video.decode(video=0)) / RATE <= 0.45


def test_camera_that_gives_nothing(tmp_path: Path) -> None:
    """A camera without pictures leaves no file."""
    none: Picture = np.zeros((0, 0, 3), dtype=np.uint8)
    record(tmp_path, ["left-up"], lambda: (False, none), lambda _question: "", seconds=0.2)
    assert list(tmp_path.iterdir()) == []


def test_no_camera(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A camera that is not there is reported."""
    assert main([str(tmp_path), "--camera", "97"]) == 1
    assert "97" in capsys.readouterr().err


def test_square() -> None:
    """The middle of a picture is kept."""
    picture: Picture = np.zeros((100, 300, 3), dtype=np.uint8)
    picture[:, 100:200] = 200
    assert (square(picture) == 200).all()
