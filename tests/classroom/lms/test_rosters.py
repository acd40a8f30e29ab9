"""Rosters as people write them: each mistake as a small file in ``rosters/``; what is understood, and what is said."""

import shutil
import zipfile
from pathlib import Path

import pytest

from classroom.domain.sessions import Course, Enrolled
from classroom.lms import tables
from classroom.lms.csv_files import RosterFolder
from classroom.lms.rosters import Rosters
from classroom.lms.tables import LARGEST_FILE, FileWrong

pytestmark = pytest.mark.unit

FILES = Path(__file__).parent / "rosters"
ALGEBRA, PHYSICS = Course("A-1", "Algebra"), Course("B-2", "Physics")
RU = Course("ИС-1", "Алгебра")
ONE, TWO, NINE = ("S1", "One Student"), ("S2", "Two Student"), ("S9", "Ok Student")


def read(folder: Path, *files: str, **renamed: str) -> Rosters:
    """Read a folder with copies of some of the files."""
    for file in files:
        shutil.copy(FILES / file, folder / file)
    for name, file in renamed.items():
        shutil.copy(FILES / file, folder / (name + Path(file).suffix))
    if not any(folder.glob("teachers.*")):
        (folder / "teachers.csv").write_text("phone\n77010000001\n")
    return RosterFolder(folder).read()


def students(rosters: Rosters, course: Course) -> list[tuple[str, str]]:
    return [(each.student_id, each.name) for each in rosters.roster(course)]


def refusal(rosters: Rosters, course: Course) -> str:
    with pytest.raises(FileWrong) as wrong:
        rosters.roster(course)
    return str(wrong.value)


def said(rosters: Rosters) -> list[str]:
    return [each.text() for each in rosters.warnings]


class TestOneBadLine:
    """Only the batch of a bad line is refused."""

    @pytest.mark.parametrize(
        ("file", "why"),
        [
            (
                "contradiction.csv",
                "line 3: student ID S1 is already in this batch with other data (contradiction.csv:2)",
            ),
            ("empty_subject.csv", "line 3: subject is empty"),
            ("no_batch.csv", "line 3: batch is empty"),  # as a merged cell leaves it: it belongs to the batch above
            ("merged_batches.xlsx", "line 3: batch is empty"),
            ("open_quote.csv", "line 2: not CSV: a quote is not closed, or stands inside a cell"),
            ("quoted_nickname.csv", "line 3: not CSV: a quote is not closed, or stands inside a cell"),
            (
                "e_notation.csv",
                "line 2: '2.5E+08' is not a student ID: set the column's format to Text in the spreadsheet",
            ),
            ("broken_ids.csv", "line 2: 'S?1' is not a student ID"),
        ],
    )
    def test_only_its_batch(self, tmp_path: Path, file: str, why: str) -> None:
        """The batch of the bad line is refused with file and line, the other batch is used."""
        rosters = read(tmp_path, file)
        assert refusal(rosters, ALGEBRA) == f"{file}, {why}"
        assert [each.text() for each in rosters.mistakes] == [f"{file}, {why}"]
        assert students(rosters, PHYSICS) == [NINE]

    def test_identical_lines(self, tmp_path: Path) -> None:
        """A line that stands there twice is counted once, with a warning."""
        rosters = read(tmp_path, "duplicate_line.csv")
        assert students(rosters, ALGEBRA) == [ONE, TWO]
        place = "duplicate_line.csv, line 4: student ID S1 is already in this batch (duplicate_line.csv:2)"
        assert (said(rosters), rosters.mistakes) == ([f"{place}: counted once"], [])

    def test_totals(self, tmp_path: Path) -> None:
        """Totals and empty lines are skipped, with a warning about the totals."""
        rosters = read(tmp_path, "total_row.csv")
        assert (students(rosters, ALGEBRA), students(rosters, PHYSICS)) == ([ONE, TWO], [NINE])
        assert said(rosters) == ["total_row.csv, line 5: a total, not a student: skipped (and 1 more)"]
        assert (rosters.mistakes, len(rosters.students)) == ([], 2)

    @pytest.mark.parametrize("line", ["Total,,9999,", ",,,Total: 25", "A-1,Algebra,Итого,2", "Барлығы,,,"])
    def test_total(self, tmp_path: Path, line: str) -> None:
        """A total may stand in any column."""
        (tmp_path / "r.csv").write_text(f"batch,subject,id,name\nA-1,Algebra,S1,One Student\n{line}\n")
        rosters = read(tmp_path)
        assert (students(rosters, ALGEBRA), len(rosters.warnings), rosters.mistakes) == ([ONE], 1, [])

    def test_student_named_total(self, tmp_path: Path) -> None:
        """A student who is called like a total, with an ID, stays a student."""
        (tmp_path / "r.csv").write_text("batch,subject,id,name\nA-1,Algebra,25030001,Total\nA-1,Algebra,S2,Sum\n")
        assert len(read(tmp_path).roster(ALGEBRA)) == 2

    def test_half_a_double(self, tmp_path: Path) -> None:
        """Of two lines of one student the one with name and address counts."""
        lines = "batch,subject,id,name,email\nA-1,Algebra,S1,,\nA-1,Algebra,s1,One Student,One@example.org\n"
        (tmp_path / "r.csv").write_text(lines)
        assert read(tmp_path).roster(ALGEBRA) == [Enrolled("S1", "One Student", "A-1", "one@example.org")]

    def test_identical_copy(self, tmp_path: Path) -> None:
        """A copy of a file with the same students is only warned about."""
        rosters = read(tmp_path, "r.csv", "r (1).csv")
        assert (students(rosters, ALGEBRA), students(rosters, PHYSICS), rosters.mistakes) == ([ONE], [NINE], [])
        (warning,) = said(rosters)
        assert "already in this batch" in warning
        assert warning.endswith("counted once (and 1 more)")

    def test_copy_that_differs(self, tmp_path: Path) -> None:
        """Where a copy has other students of a batch, nobody can tell which list is right: that batch is refused."""
        rosters = read(tmp_path, "s.csv", "s - Copy.csv")
        why = "s - Copy.csv: differs from s.csv, of which it seems to be a copy: delete one of the two"
        assert refusal(rosters, ALGEBRA) == why
        assert students(rosters, PHYSICS) == [NINE]

    def test_unreadable_file(self, tmp_path: Path) -> None:
        """A file that can't be read stops no other; who asks for a batch that may be in it is told of the file."""
        (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0")
        rosters = read(tmp_path, "r.csv")
        assert students(rosters, ALGEBRA) == [ONE]
        assert refusal(rosters, Course("C-3", "Art")).startswith("old.xls: an old or encrypted Excel file")


class TestUnderstood:
    """What can be understood is used, and said."""

    def test_ids(self, tmp_path: Path) -> None:
        """IDs as spreadsheets spoil them are read as meant."""
        rosters = read(tmp_path, "excel_ids.csv")
        ids = [each.student_id for each in rosters.roster(ALGEBRA)]
        assert ids == ["25030001", "00012345", "00012346", "00012347"]
        assert said(rosters) == ["excel_ids.csv, line 2: 25030001.0 was read as the student ID 25030001 (and 3 more)"]

    @pytest.mark.parametrize(
        ("file", "student"),
        [
            ("headers_ru.csv", Enrolled("25B1", "Ученик Алия", "ИС-1", "a@example.org")),
            ("headers_kk.csv", Enrolled("25B1", "Әлия Оқушы", "ИС-1", "a@example.org")),
            ("headers_ru_number.csv", Enrolled("25B1", "Алия Ученик", "ИС-1")),
            ("title_above.csv", Enrolled("25B1", "Алия Ученик", "ИС-1")),
        ],
    )
    def test_headers(self, tmp_path: Path, file: str, student: Enrolled) -> None:
        """Headers may be Russian or Kazakh, below titles, beside a column with the line's number."""
        rosters = read(tmp_path, file)
        assert (rosters.roster(RU), said(rosters), rosters.mistakes) == ([student], [], [])

    def test_workbook(self, tmp_path: Path) -> None:
        """An XLSX file: title above, a second worksheet without a table, numbers, a formula, a total."""
        rosters = read(tmp_path, "workbook.xlsx")
        assert students(rosters, RU) == [("25030001", "Алия Ученик"), ("25B030002", "Ёлка Ученик")]
        assert students(rosters, Course("ИС-2", "Алгебра")) == [("25B030003", "Жан Ученик")]
        assert said(rosters) == ["workbook.xlsx [Осень], line 9: a total, not a student: skipped"]

    @pytest.mark.parametrize("file", ["teachers_ru.csv", "teachers_kk.csv", "teachers.xlsx"])
    def test_teachers(self, tmp_path: Path, file: str) -> None:
        """The list of teachers may have Russian or Kazakh headers, or be a workbook."""
        rosters = read(tmp_path, "r.csv", teachers=file)
        listed = rosters.teacher("+77010000001")
        assert listed is not None
        assert rosters.courses(listed) == [ALGEBRA]
        assert listed["name"].startswith("А. ")
        assert rosters.mistakes == []

    def test_commas_between_batches(self, tmp_path: Path) -> None:
        """Batches divided by commas are found, with a warning; so is one on no roster. No phone is a mistake."""
        rosters = read(tmp_path, "r.csv", teachers="teachers_commas.csv")
        listed = rosters.teacher("87010000001")
        assert listed is not None
        assert rosters.courses(listed) == [ALGEBRA, PHYSICS]
        assert said(rosters) == [
            "teachers.csv, line 2: batches are divided by commas or semicolons: put | between them",
            "teachers.csv, line 2: Z-9: on no roster",
        ]
        assert rosters.mistakes[0].text().startswith("teachers.csv, line 4: 'no phone' is not a phone number")

    @pytest.mark.parametrize(
        ("file", "names"),
        [("latin1.csv", ["José Müller", "Zoë Çelik"]), ("windows.csv", ["Алия Ученик", "Ёлка Ученик"])],
    )
    def test_encodings(self, tmp_path: Path, file: str, names: list[str]) -> None:
        """8-bit text is read as Western or Cyrillic by the words in it."""
        rosters = read(tmp_path, file)
        (roster,) = rosters.students.values()
        assert ([each.name for each in roster], said(rosters)) == (names, [])


class TestSaid:
    """What is let pass, but said."""

    @pytest.mark.parametrize(
        ("file", "words"),
        [
            (
                "three_spellings.csv",
                "one batch in several spellings, each a batch of its own: CS-101, cs 101, CS–101, CS101",
            ),
            ("question_marks.csv", "line 2: '?лия Ученик' was broken by an export"),
            ("lost_zeros.csv", "line 3: IDs in A-1 have 5 to 7 digits, like 12346: leading zeros may be lost"),
            (
                "look_alike.csv",
                "line 2: student ID 25В030001 has cyrillic capital letter ve: correct it, or leave it",
            ),
            (
                "look_alike_greek.csv",  # an ID with other Greek letters is a Greek one
                "line 2: student ID 25Β030001 has greek capital letter beta: correct it, or leave it",
            ),
            ("unclear_encoding.csv", "the encoding is not certain (see “Петrов”)"),
            ("dos.csv", "the encoding is not certain"),
        ],
    )
    def test_warning(self, tmp_path: Path, file: str, words: str) -> None:
        """Each is one warning, and the students can be used."""
        rosters = read(tmp_path, file)
        (warning,) = said(rosters)
        assert words in warning
        assert rosters.mistakes == []
        assert rosters.students

    def test_teachers(self, tmp_path: Path) -> None:
        """Names, places and batches that an export broke are named in the list of teachers, too."""
        rosters = read(tmp_path, "r.csv", teachers="teachers_broken.csv")
        broken = "teachers.csv, line 2: '?лия Мұғалім' was broken by an export: save the file as CSV UTF-8 or XLSX"
        assert said(rosters) == [f"{broken} (and 2 more)", "teachers.csv, line 4: Б?2: on no roster"]
        assert (len(rosters.teachers), rosters.mistakes) == (4, [])

    def test_one_id_in_two_batches(self, tmp_path: Path) -> None:
        """IDs of several batches that count as one are named, where not only the case differs."""
        file, (odd, alike) = "one_id_in_two_batches.csv", said(read(tmp_path, "one_id_in_two_batches.csv"))
        assert odd.startswith(f"{file}, line 4: student ID 25В 030001 has cyrillic capital letter ve")
        assert alike == (
            f"{file}, line 4: student ID 25В 030001 is taken for 25B030001 ({file}:2): write it in one way"
        )

    @pytest.mark.parametrize(
        ("one", "other", "odd"),
        [
            ("25B1", "25Β1", "greek capital letter beta"),
            ("25Β1", "25В1", "cyrillic capital letter ve"),  # Greek, Cyrillic
            ("ЩА1", "ЩA1", "latin capital letter a, cyrillic capital letter a"),
            ("ЩА1", "ЩΑ1", "greek capital letter alpha"),
            ("S 1", "S1", "space"),
        ],
    )
    def test_collision(self, tmp_path: Path, one: str, other: str, odd: str) -> None:
        """Two IDs of one batch that can't be told apart are a mistake; the letter that differs is named."""
        lines = f"batch,subject,student_id,name\nA-1,Algebra,{one},A. Student\nA-1,Algebra,{other},B. Student\n"
        (tmp_path / "r.csv").write_text(lines, encoding="utf-8")
        what = f"r.csv, line 3: student ID {other} can't be told apart from {one} (r.csv:2); it has {odd}"
        assert refusal(read(tmp_path), ALGEBRA) == what


class TestBounds:
    def test_zip_bomb(self, tmp_path: Path) -> None:
        """A workbook that would unpack to too much is refused before it is unpacked."""
        with (
            zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as member,
        ):
            for _ in range(101):
                member.write(b"\0" * 2**20)
        assert [each.text() for each in read(tmp_path).mistakes] == ["bomb.xlsx: the file is too large"]

    def test_too_large_to_read(self, tmp_path: Path) -> None:
        """A file of more than 50 MB in the folder is refused without being read."""
        with (tmp_path / "large.csv").open("wb") as file:
            file.truncate(LARGEST_FILE + 1)
        assert [each.text() for each in read(tmp_path).mistakes] == ["large.csv: the file is too large"]

    def test_link_out_of_the_folder(self, tmp_path: Path) -> None:
        """A link that leads out of the folder is not read, and told; one within the folder is read."""
        folder = tmp_path / "rosters"
        folder.mkdir()
        for file in (tmp_path / "outside.csv", folder / ".hidden"):
            file.write_text("batch;subject;student_id;name\nCS-1;Algebra;S1;A. Student\n", encoding="utf-8")
        (folder / "linked.csv").symlink_to(tmp_path / "outside.csv")
        (folder / "within.csv").symlink_to(".hidden")
        found = read(folder)
        assert [each.text() for each in found.mistakes] == [
            "linked.csv: a link that leads out of the folder is not read"
        ]
        assert len(found.students) == 1

    def test_large_file(self, tmp_path: Path) -> None:
        """A file above the limit is refused."""
        with (tmp_path / "large.csv").open("wb") as file:
            file.truncate(tables.LARGEST_FILE + 1)
        assert [each.text() for each in read(tmp_path).mistakes] == ["large.csv: the file is too large"]


class TestFaceAllowed:
    """The column face_allowed, for minors without a guardian's consent."""

    def rosters(self, folder: Path, header: str, *values: str) -> Rosters:
        """Read a roster of one batch, with a value of the column for each student."""
        lines = [
            f"batch,subject,student_id,{header}",
            *(f"A-1,Algebra,S{at},{value}" for at, value in enumerate(values)),
        ]
        (folder / "students.csv").write_text("\n".join(lines), encoding="utf-8")
        return read(folder)

    @pytest.mark.parametrize("header", ["face_allowed", "Face allowed", "Согласие на лицо", "Бет рұқсат"])
    def test_values(self, tmp_path: Path, header: str) -> None:
        """Yes and no are understood in three languages; an empty cell allows."""
        values = ("no", "NO", "нет", "Жоқ", "0", "false", "yes", "Да", "иә", "1", "TRUE", "")
        roster = self.rosters(tmp_path, header, *values).roster(ALGEBRA)
        assert [each.face_allowed for each in roster] == [False] * 6 + [True] * 6

    def test_without_the_column(self, tmp_path: Path) -> None:
        """Without the column every face may be checked."""
        roster = self.rosters(tmp_path, "remark", "no", "no").roster(ALGEBRA)
        assert [each.face_allowed for each in roster] == [True, True]

    def test_unreadable(self, tmp_path: Path) -> None:
        """A value that is neither yes nor no is an error with its line and column: it is never guessed."""
        rosters = self.rosters(tmp_path, "face_allowed", "no", "perhaps")
        assert refusal(rosters, ALGEBRA).endswith(
            "students.csv, line 3: 'perhaps' in the column face_allowed is neither yes nor no"
        )

    def test_two_lines(self, tmp_path: Path) -> None:
        """Of two lines of one student a "no" counts."""
        (tmp_path / "more.csv").write_text("batch,subject,student_id,face_allowed\nA-1,Algebra,s0,no\n")
        roster = self.rosters(tmp_path, "face_allowed", "yes", "").roster(ALGEBRA)
        assert [each.face_allowed for each in roster] == [False, True]
