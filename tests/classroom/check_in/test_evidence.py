"""Location messages as evidence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from telegram import Bot, Message

from classroom.check_in.evidence import evidence_of

pytestmark = pytest.mark.unit


SENT = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
MOVED = SENT + timedelta(minutes=10)
PLACE = {"latitude": 43.25, "longitude": 76.95}
USER = {"id": 5, "is_bot": False, "first_name": "A"}


def message(**fields: Any) -> Message:
    """Return a message as sent by Telegram."""
    given = {
        "message_id": 1,
        "date": int(SENT.timestamp()),
        "chat": {"id": 5, "type": "private"},
        "from": USER,
        "location": PLACE,
        **fields,
    }
    found = Message.de_json(given, Bot("1:a"))
    assert found is not None
    return found


def test_a_pin() -> None:
    """A pin has its time of sending, and the accuracy if the phone reports one."""
    evidence = evidence_of(message())
    assert (evidence.latitude, evidence.longitude, evidence.accuracy, evidence.at) == (43.25, 76.95, None, SENT)
    assert not any((evidence.live, evidence.forwarded, evidence.via_bot, evidence.venue, evidence.offline))
    assert evidence_of(message(location=PLACE | {"horizontal_accuracy": 12.5})).accuracy == 12.5


def test_a_movement() -> None:
    """A live location that moved has the time of the movement, not of the message."""
    moved = message(location=PLACE | {"live_period": 900}, edit_date=int(MOVED.timestamp()))
    assert evidence_of(moved).live
    assert evidence_of(moved).at == MOVED


@pytest.mark.parametrize(
    ("field", "value", "flaw"),
    [
        ("forward_origin", {"type": "user", "date": 1, "sender_user": USER}, "forwarded"),
        ("via_bot", {"id": 9, "is_bot": True, "first_name": "B"}, "via_bot"),
        ("venue", {"location": PLACE, "title": "Hall", "address": ""}, "venue"),
        ("is_from_offline", True, "offline"),
    ],
)
def test_flaws(field: str, value: Any, flaw: str) -> None:
    """Each flaw of a location is recognised."""
    evidence = evidence_of(message(**{field: value}))
    flaws = {name: getattr(evidence, name) for name in ("forwarded", "via_bot", "venue", "offline")}
    assert [name for name, found in flaws.items() if found] == [flaw]
