"""Dataclasses as plain values and back, without a database."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.domain.sessions import CheckIn, CheckInStep, FaceCheck, Session
from classroom.store import StoreDamaged
from classroom.store.plain import fields_of, parse
from tests.classroom.store.contract import NOW, a_session, after

pytestmark = pytest.mark.unit


ANYTHING = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)


def test_there_and_back() -> None:
    """A record comes back from its plain values as it was."""
    session = a_session(ended_at=after(1.5))
    assert parse(Session, fields_of(session)) == session
    asked = CheckIn("s", "S-1", 2001, CheckInStep.FACE, NOW, face=FaceCheck(("left",), after(3)))
    assert parse(CheckIn, fields_of(asked)) == asked


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"closes_at": "secret"}, "closes_at"),
        ({"place": {"latitude": "secret"}}, "place"),
        ({"teacher": []}, "teacher"),
    ],
)
def test_damaged(change: dict[str, Any], why: str) -> None:
    """A value that does not fit is named by table and field; the value itself is not in the error."""
    with pytest.raises(StoreDamaged, match=rf"'sessions'.*\({why}: ") as damaged:
        parse(Session, fields_of(a_session()) | change)
    assert "secret" not in f"{damaged.value!r} {damaged.value.__cause__}"


@pytest.mark.parametrize("name", ["ended_at", "cancelled", "batches"])
def test_missing(name: str) -> None:
    """Every field has to be there, also one with a default."""
    values = {key: value for key, value in fields_of(a_session()).items() if key != name}
    with pytest.raises(StoreDamaged, match=f"{name} is missing"):
        parse(Session, values)


@given(field=st.sampled_from(sorted(fields_of(a_session()))), value=ANYTHING)
def test_any_value(field: str, value: Any) -> None:
    """Whatever a field holds, the record is parsed or refused as damaged in one line."""
    try:
        parse(Session, fields_of(a_session()) | {field: value})
    except StoreDamaged as damaged:
        assert len(str(damaged).splitlines()) == 1  # noqa: PT017  # or it was read
