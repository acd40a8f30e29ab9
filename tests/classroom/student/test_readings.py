"""Finding student IDs and codes among words, for every kind of message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.domain.sessions import folded
from classroom.student.readings import MOST_IDS, ids_in, only_id, readings_of
from core.lookalikes import visible

pytestmark = pytest.mark.unit

CODE = "394201"
WORDS = st.text(st.characters(categories=["L", "Zs", "Po", "Cf"]), max_size=12)
IDS = st.from_regex(r"[A-Z0-9]{1,3}[A-Z][0-9]{2,6}", fullmatch=True)


@pytest.mark.parametrize(
    "text",
    [
        "394201",
        "394 201",
        "394-201",
        "394\u00a0201",
        "394\u2011201",
        "394\u00ad201",
        "\u200b394201\ufeff",
        "３９４２０１",
        "٣٩٤٢٠١",
        "code is 394201",
        "Код: 394201",
        "Код:394201.",
        "(394201)",
        "my\ncode\n394201\n",
        "394201 394201",
        "#394201",
        "room 12, code 394201",
        "it is 394201!",
    ],
)
def test_only_a_code(text: str) -> None:
    """A code is found however it is written, and words and small numbers around it are no ID."""
    readings = readings_of(visible(text))
    assert readings
    assert readings[-1] == (None, CODE)


@pytest.mark.parametrize(
    ("text", "student_id"),
    [
        ("25B030001 394201", "25B030001"),
        ("my id 25B030001 code 394-201", "25B030001"),
        ("394201,25B030001", "25B030001"),
        ("ID: 25B030001\nCode: 394201", "25B030001"),
        ("25В030001 394201", "25B030001"),
        ("25 B 030001 394201", "25B030001"),
        ("230145 394201", "230145"),
        ("394201 230145", "230145"),
        ("my id 230145, code 394 201", "230145"),
        ("0012345 394201", "0012345"),
        ("S_*<3>&' 394201", "S_*<3>&'"),
        ("ivanov 394201", "ivanov"),
        ("12 394201", "12"),
    ],
)
def test_both(text: str, student_id: str) -> None:
    """One of the readings is the ID with the code; no ID comes with two codes."""
    readings = readings_of(visible(text))
    assert readings
    assert (folded(student_id), CODE) in {(folded(each or ""), code) for each, code in readings}
    assert len({folded(each or "") for each, _code in readings}) == len(readings)


@pytest.mark.parametrize("text", ["S001 111111 222222", "111111 222222 333333", "S001 111111 S002 222222"])
def test_several(text: str) -> None:
    """Several codes for one ID, or three numbers, are no guess at all."""
    assert readings_of(text) is None


@pytest.mark.parametrize(
    "text", ["hello", "12345", "1234567", "CS-394201", "394201B", "v394201", "2026-11-28", "1.394201"]
)
def test_no_code(text: str) -> None:
    """Parts of words, of IDs and of longer numbers are no code."""
    assert readings_of(text) == []


@pytest.mark.parametrize(
    ("text", "student_id"),
    [
        ("25B030001", "25B030001"),
        ("my id is 25B030001.", "25B030001"),
        ("CS-394201", "CS-394201"),
        ("12345678", "12345678"),
        ("1234567", None),  # a mistyped code
        ("S004 12345", None),
        ("hello", None),
    ],
)
def test_only_an_id(text: str, student_id: str | None) -> None:
    """An ID is found among words; numbers of up to seven digits may be mistyped codes."""
    assert only_id(text) == student_id


@given(WORDS, IDS, WORDS, WORDS)
def test_among_words(before: str, student_id: str, between: str, after: str) -> None:
    """Whatever stands around them, an ID and a code are found."""
    readings = readings_of(visible(f"{before} {student_id} {between} {CODE} {after}")) or []
    assert (folded(student_id), CODE) in {(folded(each or ""), code) for each, code in readings}


@given(st.text(st.characters(codec="utf-8"), max_size=200) | st.from_regex(r"(\d{3}[ -]?\d{3}|S\d+| ){1,9}"))
def test_bounds(text: str) -> None:
    """Any text has few readings, each with a code of six ASCII digits, and no ID has two codes."""
    text = visible(text)
    readings = readings_of(text) or []
    assert len(readings) <= 2 * MOST_IDS + 1
    assert all(code.isascii() and code.isdecimal() and len(code) == 6 for _id, code in readings)
    ids = [folded(each or "") for each, _code in readings]
    assert len(ids) == len(set(ids))
    assert len(ids_in(text)) <= MOST_IDS
