"""Reports: messages, picture, history."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from classroom.domain import face_policy as faces
from classroom.domain.location_policy import JUST_OUTSIDE, TOO_FAR
from classroom.domain.sessions import CheckIn, CheckInStep, Enrolled, Mark, Place, ReadBack, Session, Sheet, Status
from classroom.lms import NOT_CONFIRMED
from classroom.overview import SessionOverview
from classroom.reports import picture as picture_module
from classroom.reports.picture import arrivals, picture
from classroom.reports.sheet import sheet_table
from classroom.reports.texts import history_texts, low_attendance, report_texts
from classroom.student.texts import status_word
from sandbox.telegram.html import parse_html
from telegram_app.i18n import LANGUAGES, texts
from telegram_app.lines import split

pytestmark = pytest.mark.unit


ZONE = ZoneInfo("Asia/Almaty")
BEGIN = datetime(2026, 11, 21, 4, 0, 3, tzinfo=UTC)
TEACHER = 7001
_ = texts("en")


def a_session(**changes: object) -> Session:
    """Return a session that ended after two minutes."""
    given_: dict[str, object] = {
        "id": "0123456789ab",
        "teacher": TEACHER,
        "campus": "Main",
        "subject": "Algebra",
        "batches": ("CS-1",),
        "date": "2026-11-21",
        "place": Place(43.25, 76.95),
        "opened_at": BEGIN,
        "closes_at": BEGIN + timedelta(seconds=120),
        "rotate_seconds": 0,
        "ended_at": BEGIN + timedelta(seconds=120),
    }
    return Session(**{**given_, **changes})  # type: ignore[arg-type]


def a_sheet(names: list[str], marks: dict[int, Status], **changes: object) -> Sheet:
    """Return a sheet of students S000, S001 and so on, some of them marked."""
    roster = tuple(Enrolled(f"S{number:03}", name, "CS-1") for number, name in enumerate(names))
    marked = {f"S{number:03}": Mark(f"S{number:03}", status, BEGIN) for number, status in marks.items()}
    given_: dict[str, object] = {
        "session": "0123456789ab",
        "campus": "Main",
        "batch": "CS-1",
        "subject": "Algebra",
        "date": "2026-11-21",
        "teacher": TEACHER,
        "roster": roster,
        "marks": marked,
        "version": 1,
        "acked_version": 1,
    }
    return Sheet(**{**given_, **changes})  # type: ignore[arg-type]


def plain(messages: list[str]) -> str:
    """Return the visible text of messages; broken HTML and too long messages fail."""
    for message in messages:
        formatted = parse_html(message)
        assert 0 < formatted.length <= 4096
    return "\n".join(parse_html(message).text for message in messages)


def a_history(lessons: list[tuple[Session, Sheet]], check_ins: list[CheckIn] | None = None) -> list[str]:
    """Return the messages of a history; the check-ins are of every lesson."""
    history = [SessionOverview(session, [sheet], check_ins or []) for session, sheet in lessons]
    return history_texts(_, history, low_attendance(history))


UNCONFIRMED = (
    "The LMS has not confirmed CS-1. Look there, and enter what is missing by hand: the report's files have all marks."
)


class TestMessages:
    """The report's messages."""

    def test_everybody_of_300_stands_once(self) -> None:
        """Each of 300 students with difficult names is listed once, and no message is too long for Telegram."""
        names = [f"{number} _*<b>&'\u201c\U0001f600" + "W" * 80 for number in range(300)]
        every = [Status.PRESENT, Status.LATE, Status.EXCUSED, None]
        marks = {number: status for number in range(300) if (status := every[number % 4]) is not None}
        messages = report_texts(_, SessionOverview(a_session(), [a_sheet(names, marks)], []), final=True, zone=ZONE)
        text = plain(messages)
        assert len(messages) > 1
        shown = [name + (", 09:00" if number % 4 < 2 else "") for number, name in enumerate(names)]
        assert [text.count(f"- {name}\n") + text.endswith(f"- {name}") for name in shown] == [1] * 300
        for word in ("Present: 75", "Late: 75", "Excused: 75", "Absent: 75 of 300", "(final)"):
            assert word in text

    def test_long_names_of_batches(self) -> None:
        """Ten batch names of 200 escaped characters fit into the messages."""
        batches = tuple(f"{number}" + "&" * 199 for number in range(10))
        sheet = a_sheet(["A"], {}, acked_version=-1, batch=batches[0])
        text = plain(report_texts(_, SessionOverview(a_session(batches=batches), [sheet], []), final=False, zone=ZONE))
        assert "(provisional)" in text
        assert "Still on the way to the LMS: 0&&" in text

    def test_failures_with_why(self) -> None:
        """Unfinished check-ins are listed with reason and distance; marked students are not."""
        found = SessionOverview(
            a_session(),
            [a_sheet(["A", "B", "C", "D", "E", "F"], {5: Status.PRESENT})],
            [
                CheckIn("", "S000", 1, CheckInStep.PLACE, BEGIN),
                CheckIn("", "S001", 2, CheckInStep.PLACE, BEGIN, TOO_FAR, 480.2),
                CheckIn("", "S002", 3, CheckInStep.REVIEW, BEGIN, JUST_OUTSIDE, 71),
                CheckIn("", "S003", 4, CheckInStep.CONFIRM, BEGIN, "", 3),
                CheckIn("", "S004", 5, CheckInStep.REJECTED, BEGIN),
                CheckIn("", "S005", 6, CheckInStep.DONE, BEGIN),
            ],
        )
        text = plain(report_texts(_, found, final=False, zone=ZONE))
        assert text.split("Not completed\n")[1].splitlines() == [
            "- A: no location yet",
            "- B: too far away (480 m)",
            "- C: just outside (71 m)",
            "- D: not confirmed",
            "- E: not accepted",
        ]

    def test_failures_of_faces(self) -> None:
        """Check-ins without a matched face are listed, without what could shame a student in a file."""
        found = SessionOverview(
            a_session(),
            [a_sheet(["A", "B", "C", "D", "E", "F", "G", "H", "I"], {})],
            [
                CheckIn("", "S000", 1, CheckInStep.FACE, BEGIN, "", 3),
                CheckIn("", "S001", 2, CheckInStep.CHECKING, BEGIN, "", 3),
                CheckIn("", "S002", 3, CheckInStep.REVIEW, BEGIN, faces.FACE, 3),
                CheckIn("", "S003", 4, CheckInStep.REJECTED, BEGIN, faces.FACE, 3),
                CheckIn("", "S004", 5, CheckInStep.CONFIRM, BEGIN, faces.NO_FACE, 3),
                CheckIn("", "S005", 6, CheckInStep.CONFIRM, BEGIN, faces.NO_PHOTO, 3),
                CheckIn("", "S006", 7, CheckInStep.REJECTED, BEGIN, faces.TECHNICAL, 3),
                CheckIn("", "S007", 8, CheckInStep.REVIEW, BEGIN, f"{faces.FACE}: {faces.Problem.FLAT}", 3),
                CheckIn("", "S008", 9, CheckInStep.CONFIRM, BEGIN, faces.CLEAR, 3),
            ],
        )
        text = plain(report_texts(_, found, final=False, zone=ZONE))
        assert text.split("Not completed\n")[1].splitlines() == [
            "- A: no video of the face",
            "- B: being checked",
            "- C: the face match is unclear",
            "- D: not accepted",
            "- E: without a face check (3 m)",
            "- F: without a face check (3 m)",
            "- G: not accepted",
            "- H: the face match is unclear",
            "- I: not confirmed",
        ]

    def test_manual_marks_and_lms(self) -> None:
        """Manual marks are listed with reason and local time; a refusal of the LMS with its words."""
        sheet = a_sheet(["A", "B"], {}, refused="403 <no rights>", acked_version=0)
        sheet.marks["S001"] = Mark("S001", Status.EXCUSED, BEGIN, by=TEACHER, reason="ill & well")
        text = plain(report_texts(_, SessionOverview(a_session(), [sheet], []), final=False, zone=ZONE))
        assert "- B: excused, 09:00, ill & well" in text
        assert "The LMS does not take CS-1; it says: \u201c403 <no rights>\u201d" in text

    @pytest.mark.parametrize(
        ("changes", "has_lms", "words"),
        [
            ({"read_back": ReadBack(1, BEGIN)}, True, "The LMS has everything."),
            ({"read_back": ReadBack(0, BEGIN)}, True, "Sent to the LMS, not read back: CS-1"),
            ({"read_back": ReadBack(1, BEGIN, possible=False)}, True, "Sent to the LMS, not read back: CS-1"),
            ({}, True, "Sent to the LMS, not read back: CS-1"),
            ({"acked_version": 0}, True, "Still on the way to the LMS: CS-1"),
            ({"acked_version": 0, "refused": NOT_CONFIRMED}, True, UNCONFIRMED),
            ({}, False, "Recorded."),
            ({"acked_version": 0}, False, "Not recorded yet: CS-1"),
        ],
    )
    def test_how_far_the_marks_are(self, changes: dict[str, object], has_lms: bool, words: str) -> None:
        """The LMS has everything only if it was read back; without an LMS no text speaks of one."""
        found = SessionOverview(a_session(), [a_sheet(["A"], {0: Status.PRESENT}, **changes)], [], has_lms)
        text = plain(report_texts(_, found, final=True, zone=ZONE))
        known = ("The LMS has", "to the LMS", "ecorded")
        assert [line for line in text.splitlines() if any(each in line for each in known)] == [words]
        assert has_lms or "LMS" not in text

    def test_what_the_lms_has_otherwise(self) -> None:
        """Students whose marks the LMS has otherwise are named, with both statuses; of very many the first ones."""
        names = [f"N{number}" for number in range(40)]
        differs = {"S000": "absent", "S001": "present", "S002": ""} | {
            f"S{number:03}": "absent" for number in range(3, 40)
        }
        marks = dict.fromkeys(range(40), Status.PRESENT) | {1: Status.EXCUSED}
        for possible, third in (
            (True, "The LMS does not have N2 S002. Enter it there"),
            (False, "Change it in the LMS"),
        ):
            sheet = a_sheet(names, marks, read_back=ReadBack(1, BEGIN, possible=possible, differs=differs))
            text = plain(report_texts(_, SessionOverview(a_session(), [sheet], []), final=True, zone=ZONE))
            assert "The LMS still has N0 S000 as absent. Change it there by hand: present." in text
            assert "The LMS still has N1 S001 as present. Change it there by hand: excused." in text
            assert third in text
            assert "and 20 more" in text
            assert "The LMS has everything." not in text

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_languages(self, language: str) -> None:
        """A report in each language has the names and the date."""
        found = SessionOverview(a_session(), [a_sheet(["Ә. Student", "B"], {0: Status.LATE})], [])
        text = plain(report_texts(texts(language), found, final=True, zone=ZONE))
        assert "Ә. Student" in text
        assert "21.11.2026" in text


class TestSplit:
    """Splitting lines into messages."""

    @given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1)))
    def test_nothing_is_lost(self, lines: list[str]) -> None:
        """The messages joined are the lines, and only a single long line makes a message too long."""
        messages = split(lines, 20)
        assert "\n".join(messages) == "\n".join(lines)
        for message in messages:
            assert "\n" not in message or len(message.encode("utf-16-le")) // 2 <= 20


class TestPicture:
    """The picture."""

    @given(st.lists(st.integers(0, 20_000), max_size=50), st.integers(0, 20_000))
    def test_arrivals(self, seconds: list[int], length: int) -> None:
        """Every check-in is counted, whenever it came, in at most 26 spans."""
        came = arrivals([BEGIN + timedelta(seconds=each) for each in seconds], BEGIN, BEGIN + timedelta(seconds=length))
        assert sum(came.counts) == len(seconds)
        assert 1 <= len(came.counts) <= 26

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_drawn(self, language: str) -> None:
        """The bars are proportional to the numbers of students, in every language."""
        sheet = a_sheet(["A"] * 4, {0: Status.PRESENT, 1: Status.PRESENT, 2: Status.LATE})
        check_ins = [CheckIn("", f"S00{number}", number, CheckInStep.DONE, BEGIN) for number in range(3)]
        content = picture(texts(language), SessionOverview(a_session(), [sheet], check_ins), ZONE)
        image = Image.open(io.BytesIO(content)).convert("RGB")
        rows_ = [[image.getpixel((x, 92 + 16 + at * 48)) for x in range(image.width)] for at in range(4)]
        colours = [(47, 133, 90), (214, 158, 46), (59, 111, 182), (180, 67, 60)]
        lengths = [row.count(colour) for row, colour in zip(rows_, colours, strict=True)]
        assert lengths[0] == pytest.approx(2 * lengths[1], abs=6)
        assert lengths[1] == pytest.approx(lengths[3], abs=3)
        assert lengths[2] == 0
        assert lengths[1] > 100

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_letters(self, language: str) -> None:
        """The shipped font has every letter of the picture's texts."""
        words = [status_word(texts(language), status).capitalize() for status in Status]
        words += [texts(language)("Students: {number}"), texts(language)("Check-ins over time"), "0123456789:%()"]
        font = ImageFont.truetype(Path(picture_module.__file__).with_name("DejaVuSans.ttf"), 40)
        no_letter = bytes(font.getmask("\U0001f600"))
        assert not [each for each in "".join(words) if each != " " and bytes(font.getmask(each)) == no_letter]

    def test_empty_class(self) -> None:
        """A session without students has a picture."""
        content = picture(_, SessionOverview(a_session(), [a_sheet([], {})], []), ZONE)
        assert content.startswith(b"\x89PNG")


class TestHistory:
    """The history."""

    def test_percentages(self) -> None:
        """Each session has its percentage without excused students; students below 75 % follow, lowest first."""
        sheets = [
            a_sheet(["A", "B", "C", "D"], {0: Status.PRESENT, 1: Status.LATE, 2: Status.EXCUSED}),
            a_sheet(["A", "B", "C", "D"], {0: Status.PRESENT, 2: Status.PRESENT}),
        ]
        text = plain(a_history([(a_session(), sheet) for sheet in sheets]))
        assert "Algebra, CS-1: 67 % (2/3)" in text
        assert "Algebra, CS-1: 50 % (2/4)" in text
        assert text.split("Below 75 %\n")[1].splitlines() == [
            "- D S003, Algebra, CS-1: 0 %",
            "- B S001, Algebra, CS-1: 50 %",
        ]

    def test_nobody_is_low(self) -> None:
        """Full attendance and an empty history are stated."""
        sheet = a_sheet(["A"], {0: Status.PRESENT})
        assert "Nobody is below 75 %." in plain(a_history([(a_session(), sheet)]))
        assert plain(a_history([])) == "No sessions yet."

    def test_a_year(self) -> None:
        """A history of 400 lessons fits into three messages, and every lesson counts."""
        lessons = [(a_session(), a_sheet(["A", "B"], {0: Status.PRESENT})) for _lesson in range(400)]
        messages = a_history(lessons)
        assert len(messages) <= 3
        assert "and 360 more" in plain(messages)
        assert "- B S001, Algebra, CS-1: 0 %" in plain(messages)

    @pytest.mark.ordeal
    def test_a_thousand_below(self) -> None:
        """Of a thousand students below 75 % one message names the worst twenty."""
        names = [f"Student with a long name {number}" for number in range(1000)]
        lessons = [(a_session(subject="Mathematics " * 5), a_sheet(names, {}))] * 40
        (message,) = a_history(lessons)
        assert message.count("\n- Student") == 20
        assert "and 980 more" in message

    def test_who_waits_is_not_absent(self) -> None:
        """Who waits for the teacher counts neither as present nor as absent, and is not below 75 % for that."""
        waits = CheckIn("", "S001", 2, CheckInStep.REVIEW, BEGIN, JUST_OUTSIDE, 71)
        text = plain(a_history([(a_session(), a_sheet(["A", "B"], {0: Status.PRESENT}))], [waits]))
        assert "Algebra, CS-1: 100 % (1/1), Waiting for the teacher: 1" in text
        assert "Nobody is below 75 %." in text


class TestWaiting:
    """Students who wait for the teacher's decision when a report is made."""

    WAITING = (
        CheckIn("", "S000", 1, CheckInStep.CONFIRM, BEGIN, "", 3),
        CheckIn("", "S001", 2, CheckInStep.REVIEW, BEGIN, JUST_OUTSIDE, 71),
        CheckIn("", "S002", 3, CheckInStep.PLACE, BEGIN),
        CheckIn("", "S003", 4, CheckInStep.REVIEW, BEGIN),
    )

    def overview(self) -> SessionOverview:
        sheet = a_sheet(["A", "B", "C", "D", "E"], {3: Status.PRESENT})
        return SessionOverview(a_session(), [sheet], list(self.WAITING))

    def test_message(self) -> None:
        """They have a number and a list of their own, and are not among the absent."""
        lines = plain(report_texts(_, self.overview(), final=False, zone=ZONE)).splitlines()
        assert {"Present: 1", "Absent: 2 of 5", "Waiting for the teacher: 2"} <= set(lines)
        at, names = lines.index("Absent"), lines.index("Waiting for the teacher")
        assert (lines[at + 1 : names], lines[names + 1 : names + 3]) == (["- C", "- E"], ["- A", "- B"])

    def test_files(self) -> None:
        """The sheet has it in the column of the status."""
        rows = sheet_table(_, self.overview(), ZONE, "A. Teacher", BEGIN).rows
        waits = "waiting for the teacher"
        assert [row[4] for row in rows] == [waits, waits, "absent", "present", "absent"]

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_picture(self, language: str) -> None:
        """The picture has a bar for them, above the check-ins over time."""
        content = picture(texts(language), self.overview(), ZONE)
        image = Image.open(io.BytesIO(content)).convert("RGB")
        bars = [[image.getpixel((x, 92 + 16 + at * 42)) for x in range(image.width)] for at in range(5)]
        assert bars[4].count((95, 107, 122)) == pytest.approx(bars[3].count((180, 67, 60)), abs=40)
        assert bars[4].count((95, 107, 122)) > 100
