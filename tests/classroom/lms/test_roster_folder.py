"""The folder of rosters: parsed once, read again when files change, and never half of a file."""

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from classroom.domain.sessions import Course
from classroom.lms.csv_files import RosterFolder
from classroom.lms.rosters import Rosters
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit

COURSE = Course("A-1", "Algebra")
HEADER = "batch,subject,student_id\n"


def lines(*students: str) -> str:
    return HEADER + "".join(f"A-1,Algebra,{each}\n" for each in students)


def write(path: Path, text: str, seconds_ago: float) -> None:
    """Write a file that was changed some seconds ago."""
    path.write_text(text)
    at = time.time() - seconds_ago
    os.utime(path, (at, at))


def ids(rosters: Rosters) -> list[str]:
    return [each.student_id for each in rosters.roster(COURSE)]


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    """Give a roster beside a list of teachers."""
    write(tmp_path / "teachers.csv", "phone\n77010000001\n", 60)
    write(tmp_path / "r.csv", lines("S1"), 60)
    return tmp_path / "r.csv"


async def test_parsed_once(roster: Path) -> None:
    """Without a change many readers at once get the same object."""
    folder = RosterFolder(roster.parent)
    first, *others = await asyncio.gather(*(folder.rosters() for _ in range(20)))
    assert all(each is first for each in [*others, await folder.rosters()])


async def test_changed(roster: Path) -> None:
    """A changed file, a new one and a deleted one are seen at the next reading; the others are not parsed again."""
    folder = RosterFolder(roster.parent)
    before = folder.read()
    write(roster, lines("S1", "S2"), 30)
    write(roster.with_name("other.csv"), HEADER + "B-2,Algebra,S9\n", 30)
    after = before
    async with asyncio.timeout(PATIENCE):  # a reading that takes long is not waited for: the next call has it
        while after is before:
            after = await folder.rosters()
    assert (ids(before), ids(after)) == (["S1"], ["S1", "S2"])
    assert len(after.courses_by_batch) == 2
    roster.with_name("other.csv").unlink()
    assert len(folder.read().courses_by_batch) == 1


def test_same_size_and_second(roster: Path) -> None:
    """A change that keeps the size is seen by its time, to the nanosecond."""
    folder = RosterFolder(roster.parent, settling=0)
    folder.read()
    status = roster.stat()
    roster.write_text(lines("S7"))
    os.utime(roster, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert ids(folder.read()) == ["S7"]


async def test_half_written(roster: Path) -> None:
    """While a file is being written the version before is used, with a warning; then the new one."""
    folder = RosterFolder(roster.parent, settling=PATIENCE)
    folder.read()
    write(roster, lines("S1", "S2")[:-6], 0)
    write(roster.with_name("new.csv"), HEADER + "B-2,Algebra,S", 0)
    held = folder.read()
    assert (ids(held), len(held.courses_by_batch)) == (["S1"], 1)
    assert [each.text() for each in held.warnings] == [
        "new.csv: the version before its last change is in use",
        "r.csv: the version before its last change is in use",
    ]
    write(roster, lines("S1", "S2"), PATIENCE + 1)
    write(roster.with_name("new.csv"), HEADER + "B-2,Algebra,S9", PATIENCE + 1)
    assert (ids(folder.read()), folder.read().warnings) == (["S1", "S2"], [])


async def test_reload_waits(roster: Path) -> None:
    """A reload that is asked for waits until a file is written."""
    folder = RosterFolder(roster.parent, settling=0.2)
    folder.read()
    write(roster, lines("S1", "S2"), 0)
    assert ids(await folder.rosters(reload=True)) == ["S1", "S2"]


@pytest.mark.parametrize("content", ["name\nA\n", "", "batch;subject\nA;B\n"])
async def test_broken(roster: Path, content: str) -> None:
    """While a new version can't be read, the one before stays in use; the mistake is named."""
    folder = RosterFolder(roster.parent)
    folder.read()
    write(roster, content, 30)
    rosters = folder.read()
    assert ids(rosters) == ["S1"]
    assert rosters.mistakes[0].text().startswith("r.csv")
    assert rosters.warnings[0].text() == "r.csv: the version before its last change is in use"
    write(roster, lines("S3"), 20)
    assert (ids(folder.read()), folder.read().mistakes) == (["S3"], [])


async def test_list_of_teachers(roster: Path) -> None:
    """The same holds for the list of teachers."""
    folder = RosterFolder(roster.parent)
    assert folder.read().teacher("77010000001") is not None
    write(roster.with_name("teachers.csv"), "name\nA\n", 30)
    assert folder.read().teacher("77010000001") is not None


@pytest.mark.ordeal
async def test_slow(roster: Path) -> None:
    """A tap does not wait for a long parse: it gets the version before."""
    folder = RosterFolder(roster.parent)
    before = await folder.rosters()
    many = HEADER + "".join(f"A-{at % 300},Algebra,S{at}\n" for at in range(50_000))
    write(roster, many, 30)
    assert await folder.rosters() is before
    assert len((await folder.rosters(reload=True)).students) == 300


async def test_logged_once(roster: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A mistake is logged when it appears, and not at each reading."""
    folder = RosterFolder(roster.parent)
    write(roster, lines("", "S2"), 30)
    for _ in range(3):
        folder.read()
    assert [each.message for each in caplog.records] == ["rosters: r.csv, line 2: student_id is empty"]


def test_never_half(roster: Path) -> None:
    """While another program writes the file again and again, every reading has all students of one version."""
    folder = RosterFolder(roster.parent, settling=PATIENCE)
    students = [f"S{at}" for at in range(3000)]
    write(roster, lines(*students), 60)
    folder.read()
    text, ended = lines(*students), threading.Event()

    def rewrite() -> None:
        for second in range(60):
            with roster.open("w") as file:
                file.write(text[: len(text) // 2])
                file.flush()
                file.write(text[len(text) // 2 :])
            os.utime(roster, (time.time(), time.time() - 1000 + second))
        ended.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    while not ended.is_set():
        assert len(ids(folder.read())) == len(students)
    writer.join()
    assert len(ids(folder.read())) == len(students)


async def test_what_is_no_file(roster: Path) -> None:
    """A folder or a link to nothing with a roster's name keeps no roster from being read."""
    (roster.parent / "folder.csv").mkdir()
    (roster.parent / "nothing.csv").symlink_to(roster.parent / "gone")
    assert ids(await RosterFolder(roster.parent).rosters()) == ["S1"]
