"""The classroom's store in one SQLite file: the default, where no MongoDB is configured.

Every method of this module is one transaction in the store's own thread, so that no other change comes between its
reads and writes.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from classroom.domain.sessions import Mark, Session, Sheet, code_ends, folded
from classroom.store import CODES_KEPT, TRIES_KEPT, NoSuchSession, SessionExists, rows
from classroom.store.plain import fields_of, text_of
from classroom.store.records import alias_of, taken_hash
from classroom.store.sqlite_connection import SqliteConnection, reads, writes

# so that what the LMS has of the other lessons of a session's batches on its day is written anew
_OWE_OTHERS = """
    UPDATE sheets SET version = version + 1
    WHERE (campus, batch, subject, date) IN (SELECT campus, batch, subject, date FROM sheets WHERE session = ?1)
        AND session <> ?1 AND lms_record <> 'none' AND (version > 0 OR acked_version >= 0)
"""
# Sessions before ?1 that are over. Lessons of one batch, day and subject go together: they may share a record.
_OLD_SESSIONS = """
    DELETE FROM sessions WHERE opened_at < ?1 AND (final_at IS NOT NULL OR cancelled = 1) AND NOT EXISTS (
        SELECT 1 FROM sheets AS mine JOIN sheets AS other USING (campus, batch, subject, date)
        JOIN sessions AS stays ON stays.id = other.session
        WHERE mine.session = sessions.id
            AND (stays.opened_at >= ?1 OR (stays.final_at IS NULL AND stays.cancelled = 0))
    )
"""
COMPARED = ("status", "by_teacher", "reason", "came_at")  # a mark that differs in none of these is no change


class SqliteStore(SqliteConnection):
    """A ``Store`` in a file."""

    # sessions and their codes

    @writes
    def create_session(
        self, db: Connection, session: Session, sheets: Sequence[Sheet], code: str | None, valid_until: datetime
    ) -> bool:
        _ensure_unopened(db, sheets)
        if code is not None and _is_live(db, code, session.opened_at):
            return False
        rows.insert(db, "sessions", fields_of(session))
        if code is not None:
            _add_code(db, session.id, code, valid_until)
        for sheet in sheets:
            fields = fields_of(sheet) | {"lesson_key": folded(sheet.lesson)}
            del fields["roster"], fields["marks"]  # they have tables of their own
            rows.insert(db, "sheets", fields)
        students = [(sheet.batch, student) for sheet in sheets for student in sheet.roster]
        for position, (batch, student) in enumerate(students):
            row = {"session": session.id, "position": position, "folded": folded(student.student_id)}
            rows.insert(db, "enrolled", asdict(student) | row | {"batch": batch})
        return True

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
            db.execute(_OWE_OTHERS, (session_id,))
        return _session(db, session_id)

    @writes
    def reopen(self, db: Connection, session_id: str, code: str, closes_at: datetime, now: datetime) -> Session | None:
        if _is_live(db, code, now):
            return None
        changes = dict.fromkeys(("ended_at", "reported_at", "final_at")) | {"closes_at": closes_at, "reopened_at": now}
        which = {"id": session_id, "ended_at__ne": None, "cancelled": False, "without_phones": False}
        reopened = _session(db, session_id) if rows.update(db, "sessions", changes, which) else None
        if reopened is not None:
            _add_code(db, session_id, code, code_ends(reopened, now))
        return reopened

    @reads
    def attended(self, db: Connection, student_id: str, limit: int) -> list[tuple[Session, Mark | None]]:
        key = folded(student_id)
        query = (
            "SELECT * FROM sessions WHERE id IN (SELECT session FROM enrolled WHERE folded = ?)"
            " AND ended_at IS NOT NULL AND cancelled = 0 ORDER BY date DESC, opened_at DESC, id LIMIT ?"
        )
        of_session = (
            'SELECT marks.*, by_teacher AS "by" FROM enrolled JOIN marks USING (session, batch, student_id)'
            " WHERE folded = ? AND session = ? ORDER BY batch LIMIT 1"
        )
        sessions = rows.read(db, Session, query, key, limit)
        return [(each, rows.first(db, Mark, of_session, key, each.id)) for each in sessions]

    # sheets and marks

    @reads
    def sheets_of(self, db: Connection, session_id: str, student_id: str) -> list[Sheet]:
        query = (
            "SELECT * FROM sheets WHERE session = ?1 AND batch IN"
            " (SELECT batch FROM enrolled WHERE folded = ?2 AND session = ?1) ORDER BY batch"
        )
        return rows.read(db, Sheet, query, session_id, folded(student_id))

    @writes
    def mark(self, db: Connection, session_id: str, mark: Mark, *, overwrite: bool) -> bool:
        return bool(_mark_all(db, session_id, [mark], overwrite=overwrite))

    @writes
    def mark_all(self, db: Connection, session_id: str, marks: Collection[Mark], *, overwrite: bool) -> set[str]:
        return _mark_all(db, session_id, marks, overwrite=overwrite)

    @reads
    def unacked(self, db: Connection) -> list[Sheet]:
        query = (
            "SELECT * FROM sheets WHERE acked_version < version AND refused = '' AND lms_record <> 'none'"
            " ORDER BY session, batch"
        )
        return rows.read(db, Sheet, query)

    @writes
    def acked(self, db: Connection, session_id: str, batch: str, version: int) -> None:
        query = "UPDATE sheets SET acked_version = max(acked_version, ?), in_lms = 1 WHERE session = ? AND batch = ?"
        db.execute(query, (version, session_id, batch))

    # bindings and wrong tries

    @writes
    def unbind(self, db: Connection, student_id: str, by: int, at: datetime, reason: str) -> bool:
        statement = "DELETE FROM bindings WHERE folded = ? OR taken = ? RETURNING student_id, telegram_id"
        undone = db.execute(statement, (folded(student_id), taken_hash(student_id, self.cipher.digest))).fetchall()
        for row in undone:
            rows.insert(db, "unbindings", dict(row) | {"by_teacher": by, "at": text_of(at), "reason": reason})
        return bool(undone)

    @reads
    def kept_of(self, db: Connection, telegram_id: int) -> dict[str, list[dict[str, Any]]]:
        tables = ("bindings", "unbindings", "check_ins", "consents", "corrections", "attempts")
        query = "SELECT * FROM {} WHERE telegram_id = ?"
        return {each: [dict(row) for row in db.execute(query.format(each), (telegram_id,))] for each in tables}

    @writes
    def forget_student(self, db: Connection, telegram_id: int) -> None:
        ids = db.execute(
            "SELECT student_id FROM bindings WHERE telegram_id = ?1"
            " UNION SELECT student_id FROM check_ins WHERE telegram_id = ?1",
            (telegram_id,),
        ).fetchall()
        for row in ids:  # a template that another account needs is made again
            db.execute("DELETE FROM templates WHERE folded = ?", (folded(row["student_id"]),))
        for table in ("consents", "check_ins", "corrections"):
            db.execute(f"DELETE FROM {table} WHERE telegram_id = ?", (telegram_id,))  # noqa: S608  # constants
        gone = "telegram_id = NULL, student_id = taken(student_id)"
        db.execute(f"UPDATE bindings SET folded = taken, {gone} WHERE telegram_id = ?", (telegram_id,))  # noqa: S608
        db.execute(f"UPDATE unbindings SET {gone} WHERE telegram_id = ?", (telegram_id,))  # noqa: S608
        alias = {"telegram_id": alias_of(telegram_id, self.cipher.digest)}
        rows.update(db, "attempts", alias, {"telegram_id": telegram_id})
        db.execute(
            "UPDATE check_ins SET rivals = (SELECT json_group_array(json(value)) FROM json_each(rivals)"
            " WHERE json_extract(value, '$.telegram_id') <> ?1) WHERE rivals LIKE '%' || ?1 || '%'",
            (telegram_id,),
        )

    @reads
    def tries_in_session(self, db: Connection, session_id: str, since: datetime, *, bound: bool) -> int:
        row = db.execute(
            "SELECT count(*) FROM attempts LEFT JOIN bindings"
            " ON bindings.telegram_id = attempts.telegram_id AND bindings.bound_at < ?1"
            " WHERE at > ?1 AND attempts.folded IN (SELECT folded FROM enrolled WHERE session = ?2)"
            " AND attempts.telegram_id NOT IN (SELECT telegram_id FROM check_ins WHERE session = ?2)"
            " AND bindings.folded IS CASE WHEN ?3 THEN attempts.folded END",
            (text_of(since), session_id, bound),
        ).fetchone()
        return int(row[0])

    @writes
    def clean(self, db: Connection, now: datetime, keep_since: datetime) -> int:
        hour_ago, old = (text_of(now - TRIES_KEPT),), (text_of(keep_since),)
        deleted = [
            db.execute("DELETE FROM codes WHERE valid_until < ?", (text_of(now - CODES_KEPT),)),
            db.execute("DELETE FROM attempts WHERE at < ?", hour_ago),
            db.execute(_OLD_SESSIONS, old),
            db.execute("DELETE FROM unbindings WHERE at < ?", old),
            db.execute("DELETE FROM used_notes WHERE at < ?", old),
        ]
        return sum(cursor.rowcount for cursor in deleted)


def _session(db: Connection, session_id: str) -> Session | None:
    return rows.first(db, Session, "SELECT * FROM sessions WHERE id = ?", session_id)


def _ensure_unopened(db: Connection, sheets: Sequence[Sheet]) -> None:
    for sheet in sheets:
        query = (
            "SELECT session FROM sheets WHERE campus = ? AND batch = ? AND subject = ? AND date = ? AND lesson_key = ?"
            " AND freed = 0"
        )
        key = (sheet.campus, sheet.batch, sheet.subject, sheet.date, folded(sheet.lesson))
        existing = db.execute(query, key).fetchone()
        if existing is not None:
            raise SessionExists(existing["session"], sheet.batch)


def _mark_all(db: Connection, session_id: str, marks: Collection[Mark], *, overwrite: bool) -> set[str]:
    changed, batches = set(), set()
    for mark in marks:
        query = "SELECT * FROM enrolled WHERE folded = ? AND session = ? ORDER BY position"
        enrolled = db.execute(query, (folded(mark.student_id), session_id)).fetchall()
        if not enrolled:
            raise NoSuchSession(f"session {session_id} has no student {mark.student_id}")
        new = fields_of(mark)
        new["by_teacher"] = new.pop("by")
        for student in enrolled:
            key = {name: student[name] for name in ("session", "batch", "student_id")}
            query = "SELECT * FROM marks WHERE session = ? AND batch = ? AND student_id = ?"
            before = db.execute(query, tuple(key.values())).fetchone()
            if before is None:
                rows.insert(db, "marks", new | key)
            elif overwrite and any(before[name] != new[name] for name in COMPARED):
                rows.update(db, "marks", new | key, key)
            else:
                continue
            batches.add(student["batch"])
            changed.add(mark.student_id)
    for batch in batches:
        db.execute("UPDATE sheets SET version = version + 1 WHERE session = ? AND batch = ?", (session_id, batch))
    return changed


def _is_live(db: Connection, code: str, now: datetime) -> bool:
    query = "SELECT 1 FROM codes WHERE code = ? AND valid_until >= ?"
    return db.execute(query, (code, text_of(now))).fetchone() is not None


def _add_code(db: Connection, session_id: str, code: str, valid_until: datetime) -> None:
    db.execute(
        "INSERT INTO codes SELECT ?, 1 + coalesce(max(number), 0), ?, ? FROM codes WHERE session = ?",
        (session_id, code, text_of(valid_until), session_id),
    )


def _shorten_codes(db: Connection, session_id: str, until: datetime) -> None:
    query = "UPDATE codes SET valid_until = min(valid_until, ?) WHERE session = ?"
    db.execute(query, (text_of(until), session_id))
