"""Calibration on a folder of photographs, as an operator runs it."""

from pathlib import Path

import numpy as np
import pytest

from classroom.domain.face_policy import distance_of
from classroom.faces import calibrate
from classroom.faces.rates import Pairs
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
    """A folder gives both distributions and the rates at each threshold; unusable pictures are reported."""
    assert calibrate.main([str(folder_of(tmp_path / "people"))]) == 0
    output = capsys.readouterr()
    assert "genuine: 2 pairs" in output.out
    assert "impostor: 4 pairs" in output.out
    row = next(line.split() for line in output.out.splitlines() if line.strip().startswith("70 %"))
    assert [row[3], row[7]] == ["0.000", "0.000"]
    assert "where 0.1 % of the impostors are accepted, at" in output.out
    assert "skipped: admiral/grey.jpg: no face in it" in output.err


def test_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a folder, or with only one person, it prints what is needed."""
    assert calibrate.main([str(tmp_path / "nowhere")]) == 1
    (tmp_path / "one" / "alone").mkdir(parents=True)
    (tmp_path / "one" / "alone" / "one.jpg").write_bytes(jpeg(portrait(ASTRONAUT)))
    assert calibrate.main([str(tmp_path / "one")]) == 1
    assert "at least two people are needed" in capsys.readouterr().err


def test_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People of different groups are not compared, and each group has its rates."""
    folder_of(tmp_path / "one")
    folder_of(tmp_path / "two")
    assert calibrate.main([str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "8 pictures of 4 people, groups: 2" in output
    assert "impostor: 8 pairs" in output
    assert [line.split()[:3] for line in output.splitlines() if "people  " in line] == [
        ["one", "2", "people"],
        ["two", "2", "people"],
    ]


@pytest.mark.parametrize(
    ("distances", "independent", "says"),
    [
        ([1.5] * 2000 + [0.0], [1.5] * 4000, "1 (0.050 % of impostors accepted)"),
        (
            [1.5] * 500 + [distance_of(90.5)],
            [1.5] * 50,
            "91 (0.000 % of impostors accepted; not proven, it may be 7.11",
        ),
        ([0.0] * 10, [0.0], "no threshold"),
    ],
)
def test_suggestion(distances: list[float], independent: list[float], says: str) -> None:
    """The lowest threshold with at most 1 in 1,000 impostors is suggested, and whether enough pairs prove it."""
    assert says in calibrate.suggestion(Pairs(np.array(distances), np.array(independent)))
