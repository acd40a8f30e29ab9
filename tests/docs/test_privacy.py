"""The privacy page and the code agree on what is kept, and for how long."""

from datetime import timedelta

import pytest

from classroom import keeper, store
from classroom.saved_rooms import SCHEMA as CLASSROOM
from classroom.store.schema import SCHEMA as STORE
from classroom.student import corrections, face_traces
from core.settings import Settings
from marker.student import troubles
from marker.tables.schema import SCHEMAS
from telegram_app import attempts, move_codes
from tests.children import ROOT
from tests.docs.documents import text_of

pytestmark = pytest.mark.unit

DAY = timedelta(days=1)
PAGE = text_of(ROOT / "docs" / "privacy.md")
# What the page says of each table of the databases.
TABLES = {
    "telegram_app.people": "language",
    "telegram_app.steps": "the step of a conversation",
    "telegram_app.outgoing": "messages that wait to be sent",
    "telegram_app.slots": "which messages are on a screen",
    "telegram_app.told": "what was told once",
    "lessons.lessons": "lessons that were open: subject, teacher, time",
    "marker.watches": "last check, last trouble, the skipped day",
    "marker.attempts": "refused passwords and wrong codes, counted against guessing",
    "marker.moves": "a code that moves an account",
    "classroom.rooms": "saved rooms with their coordinates",
    "classroom.moves": "a code that moves an account",
    "classroom.refusals": "that a person has signed in to an account of the portal or the LMS",
    "classroom_store.teachers": "Telegram ID, phone number, e-mail, name",
    "classroom_store.jwt_tokens": "the LMS's password and tokens",
    "classroom_store.sessions": "the place of a lesson",
    "classroom_store.codes": "the lesson's code",
    "classroom_store.sheets": "marks with names and remarks",
    "classroom_store.enrolled": "a lesson's copy of it",
    "classroom_store.marks": "marks: status, when they came, who decided when, the reason",
    "classroom_store.check_ins": "check-ins: Telegram ID, step, **distance**",
    "classroom_store.bindings": "the link between student ID and Telegram account",
    "classroom_store.unbindings": "links that a teacher undid",
    "classroom_store.attempts": "wrong codes",
    "classroom_store.consents": "consent or refusal, with the version of its text and the time",
    "classroom_store.templates": "face template: 128 numbers",
    "classroom_store.used_notes": "fingerprints of videos that were used",
    "classroom_store.corrections": "requests for a correction, with the reason",
}


def test_every_table_is_on_the_page() -> None:
    """The page says of each table of the databases what of it concerns people; a new table is missed here first."""
    tables = {f"{schema.owner}.{table}" for schema in (*SCHEMAS, CLASSROOM, STORE) for table in schema.tables}
    assert tables == TABLES.keys()
    assert [table for table, words in TABLES.items() if words not in PAGE] == []


@pytest.mark.parametrize(
    ("words", "code", "page"),
    [
        ('"History" is `RETENTION_DAYS`, 180 days', Settings.model_fields["retention_days"].default, 180),
        ("reports and registers (workbook, PDF, CSV, picture) | plain | seven days", keeper.FILES_KEPT, 7 * DAY),
        ("an unclear check | encrypted | the decision, at most a day", face_traces.PICTURES_KEPT, DAY),
        ("(not in `/my_data`: it would help guessing) | plain | one hour |", store.TRIES_KEPT, DAY / 24),
        ("| the ten newest;", troubles.KEPT_PAGES, 10),
        ("hashed with a key | a day, then", attempts.KEPT_FOR, DAY),
        ("hashed with a key | 180 days |", attempts.OWNER_FOR, 180 * DAY),
        ("a code that moves an account, good for 24 hours", move_codes.LASTS, DAY),
        ("Up to three requests a day", corrections.IN_A_DAY, 3),
    ],
)  # fmt: skip
def test_the_periods_are_those_of_the_code(words: str, code: object, page: object) -> None:
    """Each period that the page names is the one in the code."""
    assert words in PAGE
    assert code == page
