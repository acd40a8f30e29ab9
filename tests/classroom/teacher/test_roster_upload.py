"""Rosters that an admin of the classroom sends to the teacher bot, and what that admin is told."""

import base64
from pathlib import Path

import pytest

from tests.classroom.running import Lms, Run, Teacher
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration

ADMIN = 7009
FILES = Path(__file__).parent.parent / "lms" / "rosters"
ROSTER = "batch;subject;student_id;name\nCS-1;Algebra;S001;A. Student\nCS-1;Algebra;S009;New Student\n"


def sends(person: Teacher, name: str, content: str | bytes) -> None:
    """Send a document."""
    content = content.encode() if isinstance(content, str) else content
    person.sends(document={"base64": base64.b64encode(content).decode(), "file_name": name})


@pytest.fixture
def admin(run: Run, telegram: Telegram) -> Teacher:
    """Give an admin of the classroom, who is no teacher."""
    run.starts(classroom_admins=(ADMIN,))
    admin = Teacher(telegram, ADMIN, "+77019999999")
    admin.says("/start")
    admin.sees("Share your phone number")
    return admin


def test_started_after_a_trouble(run: Run, telegram: Telegram) -> None:
    """An admin who presses Start after a mistake in the rosters was found is told of it then, once."""
    (run.folder / "rosters" / "other.csv").write_text("batch;subject;student_id;name\nCS-9;;S1;A", encoding="utf-8")
    run.starts(classroom_admins=(ADMIN,))
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    teacher.taps("Take Attendance")
    teacher.sees("Which batches?")  # the rosters are read
    admin, mistakes = Teacher(telegram, ADMIN, "+77019999999"), "The rosters have mistakes:\nother.csv, line 2"
    for _twice in range(2):
        admin.says("/start")
        admin.sees(mistakes)
    admin.settles()
    assert admin.counts(mistakes) == 1


def kept(run: Run) -> str:
    return (run.folder / "rosters" / "students.csv").read_text(encoding="utf-8")


def test_an_admin_reads_what_can_be_done(admin: Teacher, telegram: Telegram) -> None:
    """/start and /help say that an admin can send rosters; nobody else reads it."""
    admin.sees("Send a roster as a document")
    admin.says("/help")
    assert "Admin of the classroom" in admin.sees("Whom to ask")["text"]
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    teacher.says("/help")
    assert "Admin of the classroom" not in teacher.sees("Whom to ask")["text"]


def test_use_it(admin: Teacher, run: Run, telegram: Telegram) -> None:
    """A roster is shown with what would change; after a restart Use It puts it in place and keeps the file before."""
    before = kept(run)
    sends(admin, "students.csv", ROSTER)
    text = admin.sees("Batches: 1, subjects: 1, students: 2")["text"]
    assert "New places: 1, changed: 0, removed: 3" in text
    assert kept(run) == before
    run.starts(classroom_admins=(ADMIN,))
    admin.taps("Use It")
    admin.sees("In use: students.csv")
    assert (kept(run), (run.folder / "rosters" / "students.csv.bak").read_text(encoding="utf-8")) == (ROSTER, before)
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    teacher.opens("CS-1")
    teacher.sees("In: 0 of 2")


def test_second_tap(admin: Teacher, run: Run) -> None:
    """A second tap on Use It changes nothing."""
    before = kept(run)
    sends(admin, "students.csv", ROSTER)
    use, cancel = (button["data"] for button in admin.sees("Batches: 1")["buttons"][0])
    admin.forges(use)
    admin.sees("In use: students.csv")
    admin.forges(use)
    admin.forges(cancel)
    admin.settles()
    assert (run.folder / "rosters" / "students.csv.bak").read_text(encoding="utf-8") == before


def test_cancel(admin: Teacher, run: Run) -> None:
    """Cancel leaves everything as it was."""
    before = kept(run)
    sends(admin, "students.csv", ROSTER)
    admin.sees("Batches: 1")
    admin.taps("Cancel")
    admin.sees("Cancelled.")
    assert kept(run) == before
    eventually("no document", lambda: not list((run.folder / "classroom" / "uploads").glob("*/*")))


def test_mistakes(admin: Teacher, run: Run, telegram: Telegram) -> None:
    """Mistakes are shown by line; the batches without one can be opened, and a teacher is told why the other can't."""
    sends(admin, "more.csv", (FILES / "empty_subject.csv").read_bytes())
    text = admin.sees("more.csv, line 3: subject is empty")["text"]
    assert "These batches can't be opened until that is corrected, the others can: A-1" in text
    admin.taps("Use It")
    admin.sees("In use: more.csv")
    told = admin.sees("The rosters have mistakes:")["text"]
    assert "more.csv, line 3: subject is empty" in told
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    teacher.taps("Take Attendance")
    teacher.chooses("A-1")
    teacher.sees("The list of students has a mistake: more.csv, line 3: subject is empty.")
    teacher.taps("Take Attendance")
    teacher.chooses("B-2")
    teacher.sees("Share your location")


def test_workbook(admin: Teacher, run: Run) -> None:
    """A workbook can be sent as well."""
    sends(admin, "осень.xlsx", (FILES / "workbook.xlsx").read_bytes())
    admin.sees("Batches: 2, subjects: 1, students: 3")
    admin.taps("Use It")
    admin.sees("In use: осень.xlsx")
    assert (run.folder / "rosters" / "осень.xlsx").is_file()


@pytest.mark.parametrize(
    ("name", "content", "answer"),
    [
        ("r.pdf", "x", "A roster is a CSV or XLSX file of at most 10 MB."),
        ("large.csv", b"a" * (10 * 1024 * 1024 + 1), "A roster is a CSV or XLSX file of at most 10 MB."),
        ("teachers.csv", "phone\n1\n", "A roster can't have this name."),
        (".hidden.csv", ROSTER, "A roster can't have this name."),
        (
            "r.csv",
            "name\nA\n",
            "This file can't be used: r.csv, line 1: the header has no column batch, student_id, su",
        ),
        ("r.xlsx", b"PK\x03\x04 no workbook", "This file can't be used: r.xlsx: not an XLSX file that can be read"),
    ],
)
def test_refused(admin: Teacher, run: Run, name: str, content: str | bytes, answer: str) -> None:
    """What is no roster is refused with the reason, and nothing is stored."""
    files = sorted((run.folder / "rosters").iterdir())
    sends(admin, name, content)
    assert not labels(admin.sees(answer))
    assert sorted((run.folder / "rosters").iterdir()) == files


def test_longest_name(admin: Teacher, run: Run) -> None:
    """A name that would be too long for the file system is refused."""
    sends(admin, "名" * 90 + ".csv", ROSTER)
    assert not labels(admin.sees("A roster can't have this name."))


def test_folder_that_cannot_be_written(admin: Teacher, run: Run) -> None:
    """Where the roster can't be stored, the admin is told, and can try again."""
    sends(admin, "r.csv", ROSTER)
    admin.sees("Batches: 1")
    (run.folder / "rosters" / "r.csv").mkdir()
    admin.taps("Use It")
    admin.sees("The file can't be stored")
    (run.folder / "rosters" / "r.csv").rmdir()
    admin.taps("Use It")
    admin.sees("In use: r.csv")


def test_name_of_a_path(admin: Teacher, run: Run) -> None:
    """A document's name can't lead out of the folder."""
    sends(admin, "../../r.csv", ROSTER.replace("CS-1", "CS-7"))
    admin.sees("Batches: 1")
    admin.taps("Use It")
    admin.sees("In use: r.csv")
    assert (run.folder / "rosters" / "r.csv").is_file()


def test_only_admins(teacher: Teacher, run: Run) -> None:
    """A teacher who is no admin gets one refusal, also for a forged tap."""
    sends(teacher, "students.csv", ROSTER)
    teacher.sees("Only an admin of the classroom can send files here.")
    teacher.forges("roster:use:0123456789ab")
    teacher.settles()
    assert "S009" not in kept(run)


def test_with_an_lms(run_with_lms: Run, telegram: Telegram, lms: Lms) -> None:
    """Where the rosters come from the LMS, a document changes nothing."""
    run_with_lms.starts(classroom_admins=(ADMIN,))
    admin = Teacher(telegram, ADMIN, "+77019999999")
    admin.says("/start")
    sends(admin, "students.csv", ROSTER)
    admin.sees("The rosters come from the LMS: change them there.")


def test_admin_is_told_once(run: Run, telegram: Telegram, tmp_path: Path) -> None:
    """A mistake in the rosters is told to the admin without a tap, in their language, and once also after a restart."""
    (tmp_path / "rosters" / "wrong.csv").write_text("batch,subject,student_id\nA-1,,S1\n")
    admin = Teacher(telegram, ADMIN, "+77019999999")
    for _ in range(2):
        run.starts(classroom_admins=(ADMIN,))
        admin.says("/start")
        admin.sees("wrong.csv, line 2: subject is empty")
    admin.settles()
    assert admin.counts("The rosters have mistakes:") == 1
