"""Calibration on a folder of photographs, as an operator runs it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from classroom.faces import calibrate
from tests.media.notes import ADMIRAL, ASTRONAUT, jpeg, portrait

pytestmark = pytest.mark.integration


def folder_of(path: Path) -> Path:
    """Write two pictures of each of two people, and one that can't be used."""
    for name in (ASTRONAUT, ADMIRAL):
        (path / name).mkdir(parents=True)
        picture = portrait(name)
        (path / name / "one.jpg").write_bytes(jpeg(picture))
        (path / name / "two.JPG").write_bytes(jpeg(np.ascontiguousarray(picture[9:, 9:]), 60))
    (path / ADMIRAL / "grey.jpg").write_bytes(jpeg(np.full((200, 200, 3), 90, dtype=np.uint8)))
    (path / ADMIRAL / "notes.txt").write_text("nothing", encoding="utf-8")
    return path


def test_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder gives both distributions, the rates at each threshold and a drawing; unusable pictures are reported."""
    plot = tmp_path / "plot.png"
    assert calibrate.main([str(folder_of(tmp_path / "people")), "--plot", str(plot)]) == 0
    output = capsys.readouterr()
    assert "genuine: 2 pairs" in output.out
    assert "impostor: 4 pairs" in output.out
    row = next(line.split() for line in output.out.splitlines() if line.strip().startswith("70 %"))
    assert row[2:5:2] == ["0.00", "0.000"]
    assert "skipped: admiral/grey.jpg: no face in it" in output.err
    with Image.open(plot) as drawn:
        colours = {colour for _count, colour in drawn.convert("RGB").getcolors(maxcolors=100_000) or []}
    assert {(46, 125, 50), (198, 40, 40)} <= colours


def test_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a folder, or with only one person, it prints what is needed."""
    assert calibrate.main([str(tmp_path / "nowhere")]) == 1
    (tmp_path / "one" / "alone").mkdir(parents=True)
    (tmp_path / "one" / "alone" / "one.jpg").write_bytes(jpeg(portrait(ASTRONAUT)))
    assert calibrate.main([str(tmp_path / "one"), "--plot", str(tmp_path / "plot.png")]) == 1
    assert "at least two people are needed" in capsys.readouterr().err
    assert not (tmp_path / "plot.png").exists()


def test_rates() -> None:
    """A threshold misses genuine pairs below it, and accepts impostors at and above it."""
    missed, let_in = calibrate.rates([0.3, 0.45, 0.55], [0.5, 0.55, 0.9, 0.95], 70)
    assert missed == pytest.approx(1 / 3)
    assert let_in == pytest.approx(0.25)
    assert calibrate.rates([], [], 70) == (0, 0)
