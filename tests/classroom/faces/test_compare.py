"""Comparing two files, as an operator runs it."""

import json
from pathlib import Path

import pytest

from classroom.faces import compare
from tests.media.notes import ADMIRAL, ASTRONAUT, jpeg, portrait, recorded

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two people's pictures, a video of one, and a file that is neither."""
    for name in (ASTRONAUT, ADMIRAL):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg(portrait(name)))
    (tmp_path / "note.mp4").write_bytes(recorded(ASTRONAUT, ("left", "up")))
    (tmp_path / "text.jpg").write_text("nothing", encoding="utf-8")
    (tmp_path / "text.mp4").write_text("nothing", encoding="utf-8")
    return tmp_path


def compared(capsys: pytest.CaptureFixture[str], *files: Path) -> dict[str, object]:
    """Return the one line printed for two files; the command fails if it says why not."""
    failed = compare.main([str(file) for file in files])
    (line,) = capsys.readouterr().out.splitlines()
    found: dict[str, object] = json.loads(line)
    assert bool(failed) is (found["why_not"] is not None)
    return found


@pytest.mark.ordeal
def test_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person's picture and video match in either order, another person's do not, unreadable files say why."""
    one, other, note = folder / f"{ASTRONAUT}.jpg", folder / f"{ADMIRAL}.jpg", folder / "note.mp4"
    for files in ((one, note), (note, one)):
        assert float(str(compared(capsys, *files)["percent"])) >= 70
    assert float(str(compared(capsys, other, note)["percent"])) < 50
    assert compared(capsys, one, one)["distance"] == pytest.approx(0, abs=1e-3)
    assert "text.jpg" in str(compared(capsys, one, folder / "text.jpg")["why_not"])
    assert "text.mp4" in str(compared(capsys, folder / "text.mp4", one)["why_not"])
    assert "nowhere" in str(compared(capsys, one, folder / "nowhere.jpg")["why_not"])
