"""Check-ins and faces in SQLite. Each public function is the method of ``Store`` with its name."""

import sqlite3
from collections.abc import Collection
from datetime import datetime

from classroom.domain.sessions import CheckIn, CheckInStep, Consent, Template
from classroom.store.plain import owner_hash, text_of
from classroom.store.rows import (
    check_in_from,
    check_in_row,
    consent_from,
    consent_row,
    put,
    template_from,
    template_row,
)
from classroom.store.sqlite_tables.transactions import reads, writes


@writes
def begin_check_in(db: sqlite3.Connection, check_in: CheckIn) -> CheckIn:
    existing = _row(db, check_in.session, check_in.student_id)
    if existing is not None:
        return check_in_from(existing)
    put(db, "check_ins", check_in_row(check_in))
    return check_in


@reads
def check_in(db: sqlite3.Connection, session_id: str, student_id: str) -> CheckIn | None:
    row = _row(db, session_id, student_id)
    return check_in_from(row) if row is not None else None


@reads
def check_ins(db: sqlite3.Connection, session_id: str) -> list[CheckIn]:
    query = "SELECT * FROM check_ins WHERE session = ? ORDER BY code_at, student_id"
    return [check_in_from(row) for row in db.execute(query, (session_id,))]


@writes
def move_check_in(db: sqlite3.Connection, check_in: CheckIn, when: Collection[CheckInStep]) -> bool:
    existing = _row(db, check_in.session, check_in.student_id)
    if existing is None or existing["step"] not in {step.value for step in when}:
        return False
    put(db, "check_ins", check_in_row(check_in))
    return True


@reads
def latest_check_in(db: sqlite3.Connection, telegram_id: int) -> CheckIn | None:
    query = "SELECT * FROM check_ins WHERE telegram_id = ? ORDER BY code_at DESC LIMIT 1"
    row = db.execute(query, (telegram_id,)).fetchone()
    return check_in_from(row) if row is not None else None


@reads
def checking(db: sqlite3.Connection) -> list[CheckIn]:
    order = "json_extract(face, '$.sent_at'), session, student_id"
    query = f"SELECT * FROM check_ins WHERE step = 'checking' ORDER BY {order}"  # noqa: S608  # a constant
    return [check_in_from(row) for row in db.execute(query)]


@reads
def consent(db: sqlite3.Connection, telegram_id: int) -> Consent | None:
    row = db.execute("SELECT * FROM consents WHERE telegram_id = ?", (telegram_id,)).fetchone()
    return consent_from(row) if row is not None else None


@writes
def set_consent(db: sqlite3.Connection, consent: Consent) -> None:
    put(db, "consents", consent_row(consent))


@reads
def template(db: sqlite3.Connection, student_id: str) -> Template | None:
    row = db.execute("SELECT * FROM templates WHERE folded = ?", (student_id.casefold(),)).fetchone()
    return template_from(row) if row is not None else None


@writes
def save_template(db: sqlite3.Connection, template: Template) -> None:
    put(db, "templates", template_row(template))


@writes
def remove_templates(db: sqlite3.Connection, made_before: datetime) -> list[str]:
    before = (text_of(made_before),)
    rows = db.execute("SELECT student_id FROM templates WHERE made_at < ? ORDER BY folded", before).fetchall()
    db.execute("DELETE FROM templates WHERE made_at < ?", before)
    db.execute("DELETE FROM consents WHERE at < ?", before)
    return [row["student_id"] for row in rows]


@writes
def claim_note(db: sqlite3.Connection, fingerprint: str, owner: str, at: datetime) -> bool:
    hashed = owner_hash(owner)
    row = db.execute("SELECT owner FROM used_notes WHERE fingerprint = ?", (fingerprint,)).fetchone()
    if row is None:
        put(db, "used_notes", {"fingerprint": fingerprint, "owner": hashed, "at": text_of(at)})
    return row is None or row["owner"] == hashed


def _row(db: sqlite3.Connection, session_id: str, student_id: str) -> sqlite3.Row | None:
    query = "SELECT * FROM check_ins WHERE session = ? AND student_id = ?"
    row: sqlite3.Row | None = db.execute(query, (session_id, student_id)).fetchone()
    return row
