"""Sessions and their codes in SQLite; for the methods see ``Store``."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from sqlite3 import Connection

from classroom.domain.sessions import Mark, Session, Sheet, code_ends, folded
from classroom.store import CODES_KEPT, TRIES_KEPT, SessionExists, rows
from classroom.store.plain import fields_of, text_of
from classroom.store.sqlite_connection import SqliteConnection, reads, writes


class Sessions(SqliteConnection):
    @writes
    def create_session(
        self, db: Connection, session: Session, sheets: Sequence[Sheet], code: str, valid_until: datetime
    ) -> bool:
        _ensure_unopened(db, sheets)
        if _is_live(db, code, session.opened_at):
            return False
        rows.insert(db, "sessions", fields_of(session))
        _add_code(db, session.id, code, valid_until)
        for sheet in sheets:
            fields = fields_of(sheet)
            del fields["roster"], fields["marks"]  # they have tables of their own
            rows.insert(db, "sheets", fields)
        students = [(sheet.batch, student) for sheet in sheets for student in sheet.roster]
        for position, (batch, student) in enumerate(students):
            row = {"session": session.id, "position": position, "folded": folded(student.student_id)}
            rows.insert(db, "enrolled", asdict(student) | row | {"batch": batch})
        return True

    @reads
    def ensure_unopened(self, db: Connection, sheets: Sequence[Sheet]) -> None:
        _ensure_unopened(db, sheets)

    @reads
    def session_by_code(self, db: Connection, code: str, now: datetime) -> Session | None:
        query = (
            "SELECT sessions.* FROM codes JOIN sessions ON sessions.id = session"
            " WHERE code = ?1 AND valid_until >= ?2 AND opened_at <= ?2 AND cancelled = 0"
            " AND (ended_at IS NULL OR ended_at >= ?2) ORDER BY valid_until LIMIT 1"
        )
        return rows.first(db, Session, query, code, text_of(now))

    @reads
    def expired_code(self, db: Connection, code: str, student_id: str, now: datetime) -> Session | None:
        query = (
            "SELECT sessions.* FROM codes JOIN enrolled USING (session) JOIN sessions ON sessions.id = codes.session"
            " WHERE code = ? AND folded = ? AND valid_until BETWEEN ? AND ? ORDER BY valid_until DESC LIMIT 1"
        )
        return rows.first(db, Session, query, code, folded(student_id), text_of(now - CODES_KEPT), text_of(now))

    @reads
    def sessions_with(self, db: Connection, student_id: str, since: datetime) -> list[Session]:
        query = (
            "SELECT * FROM sessions WHERE id IN (SELECT session FROM enrolled WHERE folded = ?)"
            " AND coalesce(ended_at, closes_at) >= ? ORDER BY opened_at, id"
        )
        return rows.read(db, Session, query, folded(student_id), text_of(since))

    @reads
    def code(self, db: Connection, session_id: str, now: datetime) -> str | None:
        query = "SELECT code FROM codes WHERE session = ? AND valid_until >= ? ORDER BY number DESC LIMIT 1"
        row = db.execute(query, (session_id, text_of(now))).fetchone()
        return row["code"] if row is not None else None

    @writes
    def add_code(
        self, db: Connection, session_id: str, code: str, valid_until: datetime, old_until: datetime, now: datetime
    ) -> bool:
        if _is_live(db, code, now):
            return False
        _shorten_codes(db, session_id, old_until)
        _add_code(db, session_id, code, valid_until)
        return True

    @writes
    def extend(self, db: Connection, session_id: str, closes_at: datetime) -> Session | None:
        if not rows.update(db, "sessions", {"closes_at": closes_at}, {"id": session_id, "ended_at": None}):
            return None
        extended = _session(db, session_id)
        if extended is not None and extended.rotate_seconds == 0:
            newest = "session = ?1 AND number = (SELECT max(number) FROM codes WHERE session = ?1)"
            db.execute(f"UPDATE codes SET valid_until = ?2 WHERE {newest}", (session_id, text_of(closes_at)))  # noqa: S608
        return extended

    @writes
    def end_session(self, db: Connection, session_id: str, at: datetime, cancelled: bool = False) -> Session | None:
        changes = {"ended_at": at, "cancelled": cancelled} | ({"place": None} if cancelled else {})
        if not rows.update(db, "sessions", changes, {"id": session_id, "ended_at": None}):
            return None
        _shorten_codes(db, session_id, at)
        if cancelled:
            rows.update(db, "sheets", {"freed": True}, {"session": session_id, "in_lms": False})
        return _session(db, session_id)

    @writes
    def reopen(self, db: Connection, session_id: str, code: str, closes_at: datetime, now: datetime) -> Session | None:
        if _is_live(db, code, now):
            return None
        changes = dict.fromkeys(("ended_at", "reported_at", "final_at")) | {"closes_at": closes_at, "reopened_at": now}
        which = {"id": session_id, "ended_at__ne": None, "cancelled": False}
        reopened = _session(db, session_id) if rows.update(db, "sessions", changes, which) else None
        if reopened is not None:
            _add_code(db, session_id, code, code_ends(reopened, now))
        return reopened

    @reads
    def attended(self, db: Connection, student_id: str, limit: int) -> list[tuple[Session, Mark | None]]:
        key, query = (
            folded(student_id),
            (
                "SELECT * FROM sessions WHERE id IN (SELECT session FROM enrolled WHERE folded = ?)"
                " AND ended_at IS NOT NULL AND cancelled = 0 ORDER BY opened_at DESC, id LIMIT ?"
            ),
        )
        of_session = (
            'SELECT marks.*, by_teacher AS "by" FROM enrolled JOIN marks USING (session, batch, student_id)'
            " WHERE folded = ? AND session = ? ORDER BY batch LIMIT 1"
        )
        sessions = rows.read(db, Session, query, key, limit)
        return [(each, rows.first(db, Mark, of_session, key, each.id)) for each in sessions]

    @writes
    def clean(self, db: Connection, now: datetime, keep_since: datetime) -> int:
        hour_ago, old = (text_of(now - TRIES_KEPT),), (text_of(keep_since),)
        deleted = [
            db.execute("DELETE FROM codes WHERE valid_until < ?", (text_of(now - CODES_KEPT),)),
            db.execute("DELETE FROM attempts WHERE at < ?", hour_ago),
            db.execute("DELETE FROM sessions WHERE opened_at < ? AND (final_at IS NOT NULL OR cancelled = 1)", old),
            db.execute("DELETE FROM unbindings WHERE at < ?", old),
            db.execute("DELETE FROM used_notes WHERE at < ?", old),
        ]
        return sum(cursor.rowcount for cursor in deleted)


def _session(db: Connection, session_id: str) -> Session | None:
    return rows.first(db, Session, "SELECT * FROM sessions WHERE id = ?", session_id)


def _ensure_unopened(db: Connection, sheets: Sequence[Sheet]) -> None:
    for sheet in sheets:
        query = "SELECT session FROM sheets WHERE campus = ? AND batch = ? AND subject = ? AND date = ? AND freed = 0"
        existing = db.execute(query, (sheet.campus, sheet.batch, sheet.subject, sheet.date)).fetchone()
        if existing is not None:
            raise SessionExists(existing["session"], sheet.batch)


def _is_live(db: Connection, code: str, now: datetime) -> bool:
    query = "SELECT 1 FROM codes WHERE code = ? AND valid_until >= ?"
    return db.execute(query, (code, text_of(now))).fetchone() is not None


def _add_code(db: Connection, session_id: str, code: str, valid_until: datetime) -> None:
    db.execute(
        "INSERT INTO codes SELECT ?, ?, ?, 1 + coalesce(max(number), 0) FROM codes WHERE session = ?",
        (session_id, code, text_of(valid_until), session_id),
    )


def _shorten_codes(db: Connection, session_id: str, until: datetime) -> None:
    query = "UPDATE codes SET valid_until = min(valid_until, ?) WHERE session = ?"
    db.execute(query, (text_of(until), session_id))
