"""Sheets and marks in SQLite; for the methods see ``Store``."""

from sqlite3 import Connection, Row

from classroom.domain.sessions import Mark, Sheet, folded
from classroom.store import NoSuchSession, rows
from classroom.store.plain import fields_of
from classroom.store.sqlite_connection import SqliteConnection, reads, writes

COMPARED = ("status", "by_teacher", "reason", "came_at")  # a mark that differs in none of these is no change


class SheetsAndMarks(SqliteConnection):
    @reads
    def sheets_of(self, db: Connection, session_id: str, student_id: str) -> list[Sheet]:
        query = (
            "SELECT * FROM sheets WHERE session = ?1 AND batch IN"
            " (SELECT batch FROM enrolled WHERE folded = ?2 AND session = ?1) ORDER BY batch"
        )
        return rows.read(db, Sheet, query, session_id, folded(student_id))

    @writes
    def mark(self, db: Connection, session_id: str, mark: Mark, *, overwrite: bool) -> bool:
        enrolled = _enrolled(db, session_id, mark.student_id)
        if not enrolled:
            raise NoSuchSession(f"session {session_id} has no student {mark.student_id}")
        new = fields_of(mark)
        new["by_teacher"] = new.pop("by")
        changed = False
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
            query = "UPDATE sheets SET version = version + 1 WHERE session = ? AND batch = ?"
            db.execute(query, (session_id, student["batch"]))
            changed = True
        return changed

    @reads
    def unacked(self, db: Connection) -> list[Sheet]:
        query = "SELECT * FROM sheets WHERE acked_version < version AND refused = '' ORDER BY session, batch"
        return rows.read(db, Sheet, query)

    @writes
    def acked(self, db: Connection, session_id: str, batch: str, version: int) -> None:
        query = "UPDATE sheets SET acked_version = max(acked_version, ?), in_lms = 1 WHERE session = ? AND batch = ?"
        db.execute(query, (version, session_id, batch))


def _enrolled(db: Connection, session_id: str, student_id: str) -> list[Row]:
    query = "SELECT * FROM enrolled WHERE folded = ? AND session = ? ORDER BY position"
    return db.execute(query, (folded(student_id), session_id)).fetchall()
