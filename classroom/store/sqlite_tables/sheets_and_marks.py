"""Sheets and marks in SQLite; for the methods see ``Store``."""

import json
from sqlite3 import Connection, Row

from classroom.domain.sessions import Mark, Sheet, folded
from classroom.store import NoSuchSession
from classroom.store.plain import fields_of
from classroom.store.rows import put, sheets_where
from classroom.store.sqlite_connection import SqliteConnection, reads, writes


class SheetsAndMarks(SqliteConnection):
    @reads
    def sheets(self, db: Connection, session_id: str) -> list[Sheet]:
        return sheets_where(db, "session = ?", session_id)

    @reads
    def sheets_of(self, db: Connection, session_id: str, student_id: str) -> list[Sheet]:
        batches = {row["batch"] for row in _enrolled(db, session_id, student_id)}
        return [sheets_where(db, "session = ? AND batch = ?", session_id, batch)[0] for batch in sorted(batches)]

    @writes
    def mark(self, db: Connection, session_id: str, mark: Mark, *, overwrite: bool) -> bool:
        enrolled = _enrolled(db, session_id, mark.student_id)
        if not enrolled:
            raise NoSuchSession(f"session {session_id} has no student {mark.student_id}")
        new = fields_of(mark) | {"by_teacher": mark.by}
        at = {"at": new.pop("at")}
        del new["student_id"], new["by"]
        changed = False
        for student in enrolled:
            key = {"session": session_id, "batch": student["batch"], "student_id": student["student_id"]}
            query = "SELECT * FROM marks WHERE session = ? AND batch = ? AND student_id = ?"
            before = db.execute(query, tuple(key.values())).fetchone()
            if before is not None and (not overwrite or all(before[name] == value for name, value in new.items())):
                continue
            put(db, "marks", key | new | at)
            query = "UPDATE sheets SET version = version + 1 WHERE session = ? AND batch = ?"
            db.execute(query, (session_id, student["batch"]))
            changed = True
        return changed

    @reads
    def unacked(self, db: Connection) -> list[Sheet]:
        return sheets_where(db, "acked_version < version AND refused = ''")

    @writes
    def acked(self, db: Connection, session_id: str, batch: str, version: int) -> None:
        query = "UPDATE sheets SET acked_version = max(acked_version, ?), in_lms = 1 WHERE session = ? AND batch = ?"
        db.execute(query, (version, session_id, batch))

    @writes
    def set_in_lms(self, db: Connection, session_id: str, batch: str) -> None:
        db.execute("UPDATE sheets SET in_lms = 1 WHERE session = ? AND batch = ?", (session_id, batch))

    @writes
    def set_read_back(self, db: Connection, sheet: Sheet) -> None:
        text = json.dumps(fields_of(sheet)["read_back"])
        db.execute(
            "UPDATE sheets SET read_back = ? WHERE session = ? AND batch = ?", (text, sheet.session, sheet.batch)
        )

    @writes
    def set_refused(self, db: Connection, session_id: str, batch: str, why: str) -> None:
        db.execute("UPDATE sheets SET refused = ? WHERE session = ? AND batch = ?", (why, session_id, batch))


def _enrolled(db: Connection, session_id: str, student_id: str) -> list[Row]:
    query = "SELECT * FROM enrolled WHERE folded = ? AND session = ? ORDER BY position"
    return db.execute(query, (folded(student_id), session_id)).fetchall()
