"""Check-ins and faces in SQLite; for the methods see ``Store``."""

from collections.abc import Collection
from datetime import datetime
from sqlite3 import Connection, Row

from classroom.domain.sessions import CheckIn, CheckInStep, Consent, Template, folded
from classroom.store import Correction, rows
from classroom.store.plain import fields_of, owner_hash, text_of
from classroom.store.sqlite_connection import SqliteConnection, reads, writes


class CheckInsAndFaces(SqliteConnection):
    @writes
    def begin_check_in(self, db: Connection, check_in: CheckIn) -> CheckIn:
        existing = _row(db, check_in.session, check_in.student_id)
        if existing is not None:
            return rows.check_in_from(existing)
        rows.put(db, "check_ins", rows.check_in_row(check_in))
        return check_in

    @reads
    def check_in(self, db: Connection, session_id: str, student_id: str) -> CheckIn | None:
        row = _row(db, session_id, student_id)
        return rows.check_in_from(row) if row is not None else None

    @reads
    def check_ins(self, db: Connection, session_id: str) -> list[CheckIn]:
        query = "SELECT * FROM check_ins WHERE session = ? ORDER BY code_at, student_id"
        return [rows.check_in_from(row) for row in db.execute(query, (session_id,))]

    @writes
    def move_check_in(self, db: Connection, check_in: CheckIn, when: Collection[CheckInStep]) -> bool:
        existing = _row(db, check_in.session, check_in.student_id)
        if existing is None or existing["step"] not in {step.value for step in when}:
            return False
        rows.put(db, "check_ins", rows.check_in_row(check_in))
        return True

    @writes
    def set_asked(
        self, db: Connection, session_id: str, student_id: str, step: CheckInStep, at: datetime, waited: float
    ) -> None:
        query = (
            "UPDATE check_ins SET asked_at = ?, waited = waited + ?"
            " WHERE session = ? AND student_id = ? AND step = ? AND asked_at IS NULL"
        )
        db.execute(query, (text_of(at), waited, session_id, student_id, step.value))

    @reads
    def latest_check_in(self, db: Connection, telegram_id: int) -> CheckIn | None:
        query = "SELECT * FROM check_ins WHERE telegram_id = ? ORDER BY code_at DESC, updated_at DESC LIMIT 1"
        return rows.first(db, rows.check_in_from, query, telegram_id)

    @reads
    def checking(self, db: Connection) -> list[CheckIn]:
        order = "json_extract(face, '$.sent_at'), session, student_id"
        query = f"SELECT * FROM check_ins WHERE step = 'checking' ORDER BY {order}"  # noqa: S608  # a constant
        return [rows.check_in_from(row) for row in db.execute(query)]

    @reads
    def consent(self, db: Connection, telegram_id: int) -> Consent | None:
        return rows.first(db, rows.consent_from, "SELECT * FROM consents WHERE telegram_id = ?", telegram_id)

    @writes
    def set_consent(self, db: Connection, consent: Consent) -> None:
        rows.put(db, "consents", fields_of(consent))

    @reads
    def template(self, db: Connection, student_id: str) -> Template | None:
        return rows.first(db, rows.template_from, "SELECT * FROM templates WHERE folded = ?", folded(student_id))

    @writes
    def save_template(self, db: Connection, template: Template) -> None:
        rows.put(db, "templates", rows.template_row(template))

    @writes
    def remove_template(self, db: Connection, student_id: str) -> None:
        db.execute("DELETE FROM templates WHERE folded = ?", (folded(student_id),))

    @writes
    def remove_templates(self, db: Connection, made_before: datetime) -> list[str]:
        before = (text_of(made_before),)
        gone = db.execute("SELECT student_id FROM templates WHERE made_at < ? ORDER BY folded", before).fetchall()
        db.execute("DELETE FROM templates WHERE made_at < ?", before)
        db.execute("DELETE FROM consents WHERE at < ?", before)
        return [row["student_id"] for row in gone]

    @writes
    def claim_note(self, db: Connection, fingerprint: str, owner: str, at: datetime) -> bool:
        hashed = owner_hash(owner)
        row = db.execute("SELECT owner FROM used_notes WHERE fingerprint = ?", (fingerprint,)).fetchone()
        if row is None:
            rows.put(db, "used_notes", {"fingerprint": fingerprint, "owner": hashed, "at": text_of(at)})
        return row is None or row["owner"] == hashed

    @writes
    def save_correction(self, db: Connection, correction: Correction) -> bool:
        row = fields_of(correction) | {"folded": folded(correction.student_id)}
        query = "SELECT accepted FROM corrections WHERE session = ? AND folded = ?"
        before = db.execute(query, (row["session"], row["folded"])).fetchone()
        if (before is None) != (correction.accepted is None) or (before is not None and before["accepted"] is not None):
            return False
        rows.put(db, "corrections", row)
        return True

    @reads
    def corrections(self, db: Connection, since: datetime, telegram_id: int | None = None) -> list[Correction]:
        query = (
            "SELECT * FROM corrections WHERE (asked_at >= ?1 OR decided_at >= ?1)"
            " AND telegram_id = coalesce(?2, telegram_id) ORDER BY asked_at, session"
        )
        return [rows.correction_from(row) for row in db.execute(query, (text_of(since), telegram_id))]


def _row(db: Connection, session_id: str, student_id: str) -> Row | None:
    query = "SELECT * FROM check_ins WHERE session = ? AND student_id = ?"
    row: Row | None = db.execute(query, (session_id, student_id)).fetchone()
    return row
