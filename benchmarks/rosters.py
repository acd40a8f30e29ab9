"""Opening a session with 60,000 lines of rosters: how long a teacher waits, and how late the event loop gets.

`python -m benchmarks.rosters [--students 10000] [--subjects 6] [--teachers 20] [--out FILE]`

Each teacher lists the courses and reads one batch's roster, all teachers at once. "Parsing" is the first reading of
the folder, "changed" a tap right after a file was replaced. The baseline is the way before: every call reads and checks
all files in a thread.
"""

import argparse
import asyncio
import csv
import io
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.measure import machine
from classroom.domain.sessions import Course, Enrolled, Teacher
from classroom.lms.csv_files import CsvLms

BATCH = 30  # students
HEARTBEAT = 0.005  # seconds
PHONE = "77010000001"
TEACHER = Teacher(1, PHONE, "", "A. Teacher", PHONE, "Main")

Open = Callable[[], Awaitable[int]]


def write_rosters(folder: Path, students: int, subjects: int) -> None:
    """Write the list of teachers, and a roster for each subject."""
    (folder / "teachers.csv").write_text("phone,name,email,campus,batches\n+7 701 000 00 01,A. Teacher,,Main,\n")
    for subject in range(subjects):
        lines = ["batch,subject,student_id,name,email"]
        for at in range(students):
            student = f"25B{at:06d},Student {at} Имя,s{at}@example.org"
            lines.append(f"CS-{at // BATCH:03d},Subject {subject},{student}")
        (folder / f"subject {subject}.csv").write_text("\n".join(lines), encoding="utf-8")


def baseline(folder: Path) -> dict[Course, list[Enrolled]]:
    """Read and check all rosters, as each call did before."""
    rosters: dict[Course, list[Enrolled]] = {}
    seen: dict[tuple[Course, str], int] = {}
    for path in sorted(folder.glob("subject*.csv")):
        for at, row in enumerate(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), strict=True)):
            batch, student_id = " ".join(row["batch"].split()), row["student_id"]
            for subject in dict.fromkeys(" ".join(each.split()) for each in row["subject"].split("|")):
                course = Course(batch, subject)
                if (key := (course, student_id.casefold())) in seen:
                    raise ValueError(f"{student_id} twice")
                seen[key] = at
                rosters.setdefault(course, []).append(Enrolled(student_id, row["name"], batch, row["email"].lower()))
    return rosters


async def measured(work: Awaitable[object]) -> tuple[float, list[float]]:
    """Return the seconds that some work took, and how late the loop was meanwhile."""
    late: list[float] = []

    async def beat() -> None:
        while True:
            due = time.perf_counter() + HEARTBEAT
            await asyncio.sleep(HEARTBEAT)
            late.append(time.perf_counter() - due)

    beating = asyncio.create_task(beat())
    begun = time.perf_counter()
    await work
    took = time.perf_counter() - begun
    await asyncio.sleep(2 * HEARTBEAT)
    beating.cancel()
    return took, sorted(late)


async def openings(teachers: int, course: Course, lms: CsvLms | None, folder: Path) -> list[float]:
    """Let teachers open a session at once; return each one's seconds."""

    async def one() -> float:
        begun = time.perf_counter()
        if lms is not None:
            courses = await lms.courses(TEACHER)
            roster = await lms.roster(TEACHER, course)
        else:
            courses = sorted(await asyncio.to_thread(baseline, folder), key=lambda each: (each.batch, each.subject))
            roster = (await asyncio.to_thread(baseline, folder))[course]
        assert course in courses
        assert len(roster) == BATCH
        return time.perf_counter() - begun

    return sorted(await asyncio.gather(*(one() for _ in range(teachers))))


def _figures(took: float, late: list[float], waited: list[float] | None = None) -> dict[str, float]:
    found = {
        "seconds": took,
        "loop_late_ms_95": 1000 * late[int(0.95 * (len(late) - 1))],
        "loop_late_ms_most": 1000 * late[-1],
    }
    if waited:
        found["longest_opening_s"] = waited[-1]
    return {name: round(value, 3) for name, value in found.items()}


async def measure(folder: Path, subjects: int, teachers: int) -> dict[str, object]:
    course = Course("CS-007", "Subject 1")
    report: dict[str, object] = {}
    lms = CsvLms(folder)
    report["ours: parsing"] = _figures(*await measured(lms.courses(TEACHER)))

    async def opened(name: str, each: int, lms: CsvLms | None) -> None:
        waited: list[float] = []

        async def work() -> None:
            waited.extend(await openings(each, course, lms, folder))

        report[f"{name}: {each} open"] = _figures(*await measured(work()), waited)

    for each in (1, teachers):
        await opened("ours", each, lms)
    impatient, path = CsvLms(folder, settling=0), folder / f"subject {subjects - 1}.csv"
    await impatient.courses(TEACHER)
    path.write_text(path.read_text(encoding="utf-8").replace("Имя", "Name"), encoding="utf-8")
    await opened("ours, one file changed", teachers, impatient)
    for each in (1, min(teachers, 5)):
        await opened("baseline", each, None)
    return report


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=10_000)
    parser.add_argument("--subjects", type=int, default=6)
    parser.add_argument("--teachers", type=int, default=20)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_rosters(Path(folder), arguments.students, arguments.subjects)
        figures = asyncio.run(measure(Path(folder), arguments.subjects, arguments.teachers))
    lines = arguments.students * arguments.subjects
    text = json.dumps({"machine": machine(), "lines": lines, **figures}, indent=1, ensure_ascii=False)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
