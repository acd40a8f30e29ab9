"""Rosters as spreadsheets write them, and marks that spreadsheets can open."""

import csv
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.cells import FORMULAS, csv_text
from classroom.domain.sessions import Course, Enrolled, Status, Teacher
from classroom.lms import Duplicate, Line, LmsUnavailable, NotThere, Record, SignInNeeded, UnknownTeacher
from classroom.lms.csv_files import CsvLms, RosterFolder, _write, file_name
from classroom.lms.tables import FileWrong, phone_digits

pytestmark = pytest.mark.unit


TEACHER = Teacher(7, "77010000001", "a.teacher@example.org", "A. Teacher", "77010000001", "Main")
TEACHERS = "phone,name,email,campus,batches\n+7 701 000 00 01,A. Teacher,A.Teacher@example.org,Main,\n"
ROSTER = (
    "batch,subject,student_id,name,email\nCS-101,Algorithms,S1,Student Один,s1@example.org\nCS-101,Algorithms,S2,,\n"
)
STUDENTS = [
    Enrolled("S1", "Student Один", "CS-101", "s1@example.org"),
    Enrolled("S2", "S2", "CS-101"),
]
COURSE = Course("CS-101", "Algorithms")
RECORD = Record(
    "Main",
    "CS-101",
    "Algorithms",
    "2026-09-07",
    (Line("S1", "Один & <b>", Status.LATE, "late"), Line("S2", "=1+1", Status.ABSENT)),
)

Write = Callable[..., CsvLms]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes files and returns the LMS that reads them."""

    def write(teachers: str | None = TEACHERS, **rosters: str | bytes) -> CsvLms:
        if teachers is not None:
            (tmp_path / "teachers.csv").write_text(teachers, encoding="utf-8")
        for name, content in (rosters or {"students": ROSTER}).items():
            (tmp_path / f"{name}.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        return CsvLms(tmp_path)

    return write


def rows(folder: Path, record: Record = RECORD) -> list[dict[str, str]]:
    with (folder / "marks" / file_name(record)).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


class TestTeachers:
    @pytest.mark.parametrize("phone", ["77010000001", "+77010000001", "87010000001", "007 701 000-00-01"])
    async def test_phone_is_enough(self, write: Write, phone: str) -> None:
        """A teacher is found by the phone number in any spelling."""
        signed = await write().sign_in(7, phone, "", "")
        assert (signed.teacher, signed.others_ended) == (replace(TEACHER, phone="77010000001"), False)  # in one form

    async def test_unknown(self, write: Write) -> None:
        """A number that is not in the file is an unknown teacher's."""
        with pytest.raises(UnknownTeacher):
            await write().sign_in(7, "77010000002", "", "")

    @pytest.mark.parametrize("phone", ["", "+", "abc"])
    async def test_nothing_matches_nothing(self, write: Write, phone: str) -> None:
        """A contact without a number is never found, also if the file has lines without one."""
        with pytest.raises((UnknownTeacher, FileWrong)):
            await write("phone,name\n,Nobody\n").sign_in(7, phone, "", "")
        with pytest.raises(UnknownTeacher):
            await write().sign_in(7, phone, "", "")

    async def test_removed(self, write: Write) -> None:
        """A teacher who was removed from the file has to sign in again."""
        with pytest.raises(SignInNeeded):
            await write("phone\n77010000009\n").courses(TEACHER)

    async def test_batches(self, write: Write) -> None:
        """A teacher with batches gets only those; one without gets all, sorted."""
        roster = "batch,subject,student_id\nB,Physics,1\nA,Physics | Algebra|Physics,1\nC,Physics,1\n"
        lms = write("phone,batches\n77010000001,b | C\n77010000002,\n", students=roster)
        assert await lms.courses(TEACHER) == [Course("B", "Physics"), Course("C", "Physics")]
        assert await lms.courses(replace(TEACHER, phone="77010000002")) == [
            Course("A", "Algebra"),
            Course("A", "Physics"),
            Course("B", "Physics"),
            Course("C", "Physics"),
        ]


class TestRosters:
    @pytest.mark.parametrize(
        "content",
        [
            ROSTER.encode(),
            ROSTER.encode("utf-8-sig"),
            ROSTER.replace(",", ";").encode("cp1251"),
            ROSTER.replace(",", "\t").encode("utf-16"),
            ("sep=;\r\n" + ROSTER.replace(",", ";").replace("\n", "\r\n")).encode("utf-8-sig"),
            ROSTER.replace(",", " , ").replace("\n", "\n\n , ,\n").encode(),
            ROSTER.replace("student_id", "Student ID").replace("batch", "BatchNo").encode(),
            "email,room,name,student_id,subject,batch\n"
            's1@example.org,12,"Student Один",S1,Algorithms,CS-101\n,,,S2,Algorithms,CS-101'.encode(),
        ],
        ids=["plain", "mark", "windows", "unicode-text", "hint", "spaces", "headers", "order"],
    )
    async def test_spreadsheets(self, write: Write, content: bytes) -> None:
        """Any encoding, delimiter, spaces, empty lines, spelling and order of the columns can be read."""
        lms = write(students=content)
        assert await lms.courses(TEACHER) == [COURSE]
        assert await lms.roster(TEACHER, COURSE) == STUDENTS

    async def test_several_files(self, write: Write) -> None:
        """Every other CSV file of the folder is a roster, except a spreadsheet's lock file."""
        lms = write(one=ROSTER, two="batch,subject,student_id\nCS-102,Algorithms,S1\n", **{"~$one": b"\0"})
        assert [course.batch for course in await lms.courses(TEACHER)] == ["CS-101", "CS-102"]

    async def test_unknown_course(self, write: Write) -> None:
        """A batch that is in no file has no students."""
        assert await write().roster(TEACHER, Course("CS-999", "Algorithms")) == []

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            (
                "batch,subject,student_id,name\nA,X,S1,One\n\nA,X,s1,Two\n",
                "students.csv, line 4: student ID s1 is already in this batch with other data (students.csv:2)",
            ),
            (
                "batch,subject,student_id\nA,X,25B1\nA,X,25В1\n",
                "students.csv, line 3: student ID 25В1 can't be told apart from 25B1"
                " (students.csv:2); it has cyrillic capital letter ve",
            ),
            ("batch,subject,student_id\nA,X,\n", "students.csv, line 2: student_id is empty"),
            ("batch,subject,student_id\nA, | ,S1\n", "students.csv, line 2: subject is empty"),
            ('batch,subject,student_id\n"A",X,S1\n"A\nB",X,S1\nA,X,\n', "students.csv, line 5: student_id is empty"),
            ("sep=,\nbatch,subject,student_id\nA,X,\n", "students.csv, line 3: student_id is empty"),
            ("batch,name\nA,B\n", "students.csv, line 1: the header has no column student_id, subject"),
            ("batch,group,subject,id\nA,B,C,D\n", "students.csv, line 1: the header has two columns batch"),
            ("batch,subject,student_id\nA,X,2.5E+08\n", "students.csv, line 2: '2.5E+08' is not a student ID: set"),
            ("batch,subject,student_id\nA,X,#N/A\n", "students.csv, line 2: '#N/A' is not a student ID"),
            ('batch,subject,student_id\nA,X,"S1\n', "students.csv, line 2: not CSV"),
            (b"\xff\xfe\x00", "students.csv: unknown encoding"),
            (b"\x98", "students.csv: unknown encoding"),
            (b"\xd0\xcf\x11\xe0", "students.csv: an old or encrypted Excel file"),
            (b"PK\x03\x04", "students.csv: not an XLSX file that can be read"),
            ("", "students.csv: the file is empty"),
        ],
    )
    async def test_mistakes(self, write: Write, content: str | bytes, line: str) -> None:
        """A mistake is refused with the name of the file and the number of the line."""
        with pytest.raises(FileWrong) as wrong:
            await write(students=content).roster(TEACHER, Course("A", "X"))
        assert str(wrong.value).startswith(line)

    def test_odd_ids(self, write: Write) -> None:
        """IDs with characters that look like others, or that nobody sees, are named with file and line."""
        lms = write(students="batch,subject,student_id\nA,X,25В1\nA,X,25Б2\nA,X,S 3\nA,X,S\u200b4\nA,X,S\u00a0５\n")
        (warning,) = lms.folder.read().warnings
        what = "students.csv, line 2: student ID 25В1 has cyrillic capital letter ve: correct it, or leave it"
        assert warning.text() == f"{what} (and 2 more)"

    @pytest.mark.parametrize(
        ("teachers", "line"),
        [
            (None, "teachers.csv: the file is missing"),
            ("phone\n77010000001\n8 701 000 00 01\n", "teachers.csv, line 3: the phone number is already in line 2"),
            ("phone\n7.7E+10\n", "teachers.csv, line 2: '7.7E+10' is not a phone number: set the column"),
            ("name\nA\n", "teachers.csv, line 1: the header has no column phone"),
        ],
    )
    async def test_mistakes_among_teachers(self, write: Write, teachers: str | None, line: str) -> None:
        """Mistakes in the list of teachers are refused likewise."""
        with pytest.raises(FileWrong) as wrong:
            await write(teachers).sign_in(7, "77010000001", "", "")
        assert str(wrong.value).startswith(line)

    async def test_no_roster(self, tmp_path: Path) -> None:
        """A folder without a roster is refused in one line that names the columns."""
        (tmp_path / "teachers.csv").write_text(TEACHERS)
        with pytest.raises(FileWrong, match="no CSV or XLSX file with the columns batch, subject, student_id"):
            await CsvLms(tmp_path).courses(TEACHER)

    @given(content=st.binary(max_size=60) | st.text("batch,subjectudn_i;\"\n\r\t|'ABс0", max_size=90).map(str.encode))
    def test_any_bytes(self, tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
        """Any file is read, or refused with its name."""
        folder = tmp_path_factory.mktemp("any")
        (folder / "students.csv").write_bytes(content)
        try:
            RosterFolder(folder).read().roster(Course("b", "s"))
        except FileWrong as wrong:
            assert str(wrong).startswith("students.csv")  # noqa: PT017  # or it was read


@pytest.mark.parametrize(
    ("text", "digits"),
    [("+84 91 234 567 8", "84912345678"), ("8 (701) 000-00-01", "77010000001"), ("0049 30 1234567", "49301234567")],
)
def test_phone_digits(text: str, digits: str) -> None:
    """A number with a plus is unchanged; a leading 8 of eleven digits means 7, a leading 00 the plus."""
    assert phone_digits(text) == digits


class TestMarks:
    async def test_create_and_update(self, write: Write, tmp_path: Path) -> None:
        """A record is created once, then replaced; its file is complete and opens in a spreadsheet."""
        lms = write()
        with pytest.raises(NotThere):
            await lms.update(TEACHER, RECORD)
        await lms.create(TEACHER, RECORD)
        with pytest.raises(Duplicate):
            await lms.create(TEACHER, RECORD)
        assert [list(row.values()) for row in rows(tmp_path)] == [
            ["2026-09-07", "Main", "CS-101", "Algorithms", "S1", "Один & <b>", "late", "1", "late", ""],
            ["2026-09-07", "Main", "CS-101", "Algorithms", "S2", "'=1+1", "absent", "0", "", ""],
        ]
        await lms.update(TEACHER, replace(RECORD, lines=RECORD.lines[:1]))
        assert len(rows(tmp_path)) == 1
        assert (tmp_path / "marks" / file_name(RECORD)).read_bytes().startswith(b"\xef\xbb\xbfdate,")
        assert await lms.courses(TEACHER) == [COURSE]  # the marks are no roster

    async def test_lessons_of_a_day(self, write: Write, tmp_path: Path) -> None:
        """Each lesson of a day has a file of its own, which names it."""
        lms = write()
        for lesson in ("", "Lab", "Lab 2", "Lab/2"):
            await lms.create(TEACHER, replace(RECORD, lesson=lesson))
        assert len(list((tmp_path / "marks").iterdir())) == 4
        content = (tmp_path / "marks" / file_name(replace(RECORD, lesson="Lab"))).read_text(encoding="utf-8-sig")
        assert [line.rpartition(",")[2] for line in content.splitlines()] == ["lesson", "Lab", "Lab"]

    @given(name=st.text("=+-@\t\r\n＝＋－＠ 'aЯ🙂\",;", max_size=8))
    def test_no_formula(self, tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
        """No name of a student or batch makes a cell a formula at any separator, or breaks a line."""
        record = replace(RECORD, batch=name, lines=(Line(name, name, Status.PRESENT, name),))
        path = tmp_path_factory.getbasetemp() / "formula.csv"
        _write(path, record)
        with path.open(encoding="utf-8-sig", newline="") as file:
            (row,) = csv.DictReader(file)
        assert not any(
            cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋")) for cell in row.values()
        )
        assert row["name"].replace("'", "") == name.replace("'", "")
        for separator in ",;\t|":  # that a spreadsheet may be set to
            with path.open(encoding="utf-8-sig", newline="") as file:
                cells = [cell for line in csv.reader(file, delimiter=separator) for cell in line]
            signs = tuple(each for each in FORMULAS if each.strip())
            assert [cell for cell in cells if cell.strip(" \t\r\n").startswith(signs)] == []

    @pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
    def test_formula_behind_a_separator(self, separator: str) -> None:
        """A formula behind a separator inside a cell is defused; a plain text with separators stays as it is."""
        content = csv_text([["name"], [f"A{separator}=cmd|' /C calc'!A0", "B; late, +7 701", "Ivanov; A, B"]])
        (cells,) = list(csv.reader([content.splitlines()[1]]))
        assert cells == [f"A{separator}'=cmd|' /C calc'!A0", "B; late, '+7 701", "Ivanov; A, B"]

    @given(batch=st.text(max_size=200), subject=st.text(max_size=200))
    def test_file_names(self, batch: str, subject: str) -> None:
        """Any batch and subject give a short and safe file name, unique to the record."""
        record = replace(RECORD, batch=batch, subject=subject)
        name = file_name(record)
        assert len(name.encode(errors="surrogatepass")) <= 200
        assert not set(name) & set('/\\:*?"<>|\0\n')
        assert name.startswith("2026-09-07 ")
        assert name != file_name(replace(record, batch=batch + " "))

    async def test_disk(self, write: Write, tmp_path: Path) -> None:
        """A folder that can't be written to is a temporary error."""
        lms = write()
        (tmp_path / "marks").write_text("in the way")
        with pytest.raises(LmsUnavailable, match="can't be used"):
            await lms.create(TEACHER, RECORD)

    async def test_no_half_file(self, write: Write, tmp_path: Path) -> None:
        """A file left behind by a crash during a write is no record, and is replaced."""
        lms = write()
        (tmp_path / "marks").mkdir()
        (tmp_path / "marks" / (file_name(RECORD) + ".new")).write_text("half")
        await lms.create(TEACHER, RECORD)
        assert os.listdir(tmp_path / "marks") == [file_name(RECORD)]  # noqa: PTH208
