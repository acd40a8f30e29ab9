"""Parsing the LMS's answers: tokens, courses, rosters and records of both generations."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.domain.sessions import Course, Enrolled, Status
from classroom.lms import Line, LmsRefused, LmsUnavailable, answers
from classroom.lms.answers import Claims

pytestmark = pytest.mark.unit


COURSE, DATE = Course("A", "Algorithms"), "2026-09-07"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "dates", "students", "status", "access_token", "students_data", DATE, "Algorithms"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


def jwt(content: Any) -> str:
    part = base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
    return f"e30.{part}.c2ln"


class TestClaims:
    def test_newer(self) -> None:
        """The owner's ID is `id`, else `sub`; campus, e-mail, name and expiry are read, too."""
        content = {"id": "m1", "sub": "x", "email": "a@b.c", "name": "Ан", "location": "Main", "exp": 1000.5}
        assert answers.claims(jwt(content)) == Claims("m1", "a@b.c", "Ан", "Main", 1000.5)
        assert answers.claims(jwt({"sub": 5})) == Claims("5")

    def test_use_until(self) -> None:
        """A token is used until 60 s before its expiry; one without an expiry is used until it is refused."""
        ends = answers.claims(jwt({"exp": 1000}))
        assert (ends.usable(939.9), ends.usable(940), ends.usable(2000)) == (True, False, False)
        assert answers.claims(jwt({"exp": "soon"})).usable(1e10)

    @pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.é.c", "..", jwt([1]), jwt("x"), "a.bm8.c"])
    def test_no_jwt(self, token: str) -> None:
        """A text that is no JWT has no claims and no expiry."""
        assert answers.claims(token) == Claims()


class TestTokens:
    def test_both_generations(self) -> None:
        """Tokens are in `data`, or at the top in the older server's answers."""
        inner = {"access_token": "a", "refresh_token": "r"}
        assert answers.tokens({"data": inner}) == ("a", "r", False)
        assert answers.tokens(inner | {"data": {"x": 1}}) == ("a", "r", True)
        assert answers.tokens({"access_token": "a"}) == ("a", "", True)

    @pytest.mark.parametrize("answer", [None, [], {}, {"data": {}}, {"access_token": ""}, {"access_token": "a\nb: c"}])
    def test_none(self, answer: Any) -> None:
        """An answer without a token that can be sent is refused."""
        with pytest.raises(LmsUnavailable):
            answers.tokens(answer)


class TestLists:
    def test_courses(self) -> None:
        """Each course is returned once, numbers as texts; incomplete ones are left out."""
        rows = [{"batchNo": 5, "subject": " X "}, {"batchNo": "5", "subject": "X"}, {"batchNo": "6"}]
        assert answers.courses({"attendancePending": rows}) == [Course("5", "X")]
        assert answers.courses({"attendancePending": []}) == []

    def test_roster(self) -> None:
        """Each student is returned once, with the name or else the ID; half an emoji is replaced."""
        rows = [{"studentId": 1, "name": "A\ud83d", "email": "e"}, {"studentId": "x", "name": None}, {"studentId": "X"}]
        assert answers.roster({"students_data": rows}, "B") == [Enrolled("1", "A?", "B", "e"), Enrolled("x", "x", "B")]

    def test_ids_that_look_alike(self) -> None:
        """A roster with two IDs that can't be told apart is refused: marking one of them might mark the other."""
        with pytest.raises(LmsRefused, match="25B1"):
            answers.roster({"students_data": [{"studentId": "25В1"}, {"studentId": "25B1"}]}, "B")

    @pytest.mark.parametrize("answer", [{}, [], None, {"students_data": None}, {"students_data": [{"name": "A"}]}])
    def test_no_roster(self, answer: Any) -> None:
        """An answer without the list, or with a student without an ID, is refused."""
        with pytest.raises(LmsUnavailable):
            answers.roster(answer, "B")


class TestSchedule:
    def test_schedule(self) -> None:
        """Each batch of each row is a course, once; the teacher's name is with the person or the row."""
        rows: list[Any] = [
            {"batchNo": ["A", 5], "subject": "X", "MentorName": "A. Teacher"},
            {"batchNo": "A", "subject": " X "},
            {"batchNo": ["B", ""], "subject": ""},
        ]
        courses = [Course("A", "X"), Course("5", "X")]
        assert answers.schedule({"schedule_data": rows}) == (courses, "A. Teacher")
        assert answers.schedule({"schedule_data": rows, "mentor_data": [{"name": "B"}]}) == (courses, "B")
        assert answers.schedule({"schedule_data": []}) == ([], "")

    @pytest.mark.parametrize("answer", [{}, [], None, {"schedule_data": None}, {"schedule_data": ["A"]}])
    def test_none(self, answer: Any) -> None:
        """An answer without the list is refused: it is no empty schedule."""
        with pytest.raises(LmsUnavailable):
            answers.schedule(answer)


class TestConfirms:
    @pytest.mark.parametrize(
        "answer", [{"status": "success"}, {"status": "existed", "message": "x"}, {"success": True, "error": None}]
    )
    def test_success(self, answer: Any) -> None:
        """An answer that tells a success confirms a write."""
        assert answers.confirms(json.dumps(answer).encode())

    @pytest.mark.parametrize(
        "content", [b"", b"<html>", b"{}", b"null", b"[]", b'"ok"', b'{"status": "queued"}', b'{"st']
    )
    def test_unclear(self, content: bytes) -> None:
        """An answer that says nothing, or something else, is no confirmation."""
        assert not answers.confirms(content)

    @pytest.mark.parametrize(
        "answer",
        [
            {"status": "error"},
            {"status": "Failed"},
            {"status": 500},
            {"success": False},
            {"success": "false"},
            {"success": 0},
            {"success": None},
            {"ok": False},
            {"exception": "x", "errorcode": "y"},
            {"error": "x"},
            {"errors": ["x"]},
            {"data": {"status": "error"}},
            {"status": "success", "data": {"success": False}},
        ],
    )
    def test_error(self, answer: Any) -> None:
        """An error in an answer with status 200 is a refusal, without the answer's own words."""
        with pytest.raises(LmsRefused, match="the LMS answers with an error"):
            answers.confirms(json.dumps(answer).encode())


class TestRecord:
    @pytest.mark.parametrize("statuses", [(1, 0), ("1", "0"), ("present", "absent"), ("Present", "ABSENT")])
    def test_shapes_and_encodings(self, statuses: tuple[Any, Any]) -> None:
        """Three forms of a record and both encodings of a status are parsed to the same lines."""
        students = [
            {"studentId": "1", "name": "A", "status": statuses[0]},
            {"studentId": "2", "name": "B", "status": statuses[1], "remarks": "bus"},
        ]
        flat = {"course": "Algorithms", "batchNo": "A", "students": students, "location": "Main"}
        shapes: list[Any] = [
            {"data": [{"dates": {"2026-01-01": {}, DATE: {"Algorithms": {"students": students}}}}]},
            {"data": [{DATE: {"Physics": {"students": []}}}, {DATE: {"Algorithms": {"students": students}}}]},
            [{**flat, "datetime": "2026-09-06", "students": []}, {**flat, "datetime": f"{DATE}T08:00:00Z"}],
        ]
        expected = (Line("1", "A", Status.PRESENT), Line("2", "B", Status.ABSENT, "bus"))
        twice = {"message": "x", "data": [{**flat, "datetime": DATE}] * 2}  # two creates at once made two records
        assert answers.record(twice, COURSE, DATE) == expected * 2
        assert [answers.record(shape, COURSE, DATE) for shape in shapes] == [expected] * 3

    @pytest.mark.parametrize(
        "answer", [{"data": []}, [], {"data": [{"dates": {}}]}, {"data": [{DATE: {"Physics": {}}}]}]
    )
    def test_no_record(self, answer: Any) -> None:
        """Without the date or the subject the result is None, not an empty record."""
        assert answers.record(answer, COURSE, DATE) is None

    @pytest.mark.parametrize("status", [None, "", 2, "late", True])
    def test_unknown_status(self, status: Any) -> None:
        """An unknown status is never taken for absent."""
        day = {"Algorithms": {"students": [{"studentId": "1", "status": status}]}}
        with pytest.raises(LmsUnavailable):
            answers.record({"data": [{DATE: day}]}, COURSE, DATE)


@given(JSON)
def test_anything(answer: Any) -> None:
    """Any JSON is parsed or refused with LmsUnavailable in one line."""
    for read in (
        answers.tokens,
        answers.courses,
        answers.schedule,
        lambda each: answers.roster(each, "A"),
        lambda each: answers.record(each, COURSE, DATE),
    ):
        try:
            read(answer)
        except LmsUnavailable as error:
            assert "\n" not in str(error)  # noqa: PT017  # or it was read


@pytest.mark.parametrize(
    ("content", "is_duplicate", "code"),
    [
        (b'{"status": "duplicate"}', True, ""),
        (b'{"status": "Duplicate", "error": "TOKEN_EXPIRED"}', True, "TOKEN_EXPIRED"),
        (b'{"error": "correct horse"}', False, ""),
        (b"duplicate", False, ""),
        (b"[]", False, ""),
        (b"\xff", False, ""),
    ],
)
def test_errors(content: bytes, is_duplicate: bool, code: str) -> None:
    """Only known codes of an error's body are returned, and nothing else of it."""
    assert (answers.is_duplicate(content), answers.error_code(content)) == (is_duplicate, code)


class TestHostile:
    """Answers that are made to harm."""

    @pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a":' * 200_000, b'{"status": NaN}', b'{"a": -Infinity}'])
    def test_no_json(self, content: bytes) -> None:
        """Deep nesting and numbers that are none are no answer."""
        with pytest.raises(LmsUnavailable):
            answers.read_json(content)
        assert not answers.confirms(content)

    @pytest.mark.parametrize("depth", range(100, 1000, 90))
    def test_deep(self, depth: int) -> None:
        """An answer that is nested as deep as the parser allows is read without an error of ours."""
        nested = b"[" * depth + b"]" * depth
        with contextlib.suppress(LmsUnavailable):
            answers.confirms(b'{"status": ' + nested + b', "ok": ' + nested + b"}")
            answers.courses(answers.read_json(b'{"attendancePending": [{"batchNo": ' + nested + b"}]}"))

    def test_long_numbers(self) -> None:
        """A status of thousands of digits is an unknown one."""
        assert not answers.confirms(b'{"status": "' + b"9" * 5000 + b'"}')

    @pytest.mark.parametrize("ends", ["1e999", "-1e999", "NaN", "9" * 4000, "true", '"soon"'])
    def test_expiry(self, ends: str) -> None:
        """An expiry that is no time is none, or the token has no claims."""
        body = base64.urlsafe_b64encode(f'{{"id": "1", "exp": {ends}}}'.encode()).decode().rstrip("=")
        assert answers.claims(f"a.{body}.c").ends in (None, True)
