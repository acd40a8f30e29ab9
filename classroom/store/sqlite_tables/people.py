"""Teachers, bindings and wrong tries in SQLite; for the methods see ``Store``."""

from datetime import datetime
from sqlite3 import Connection
from typing import Any

from classroom.domain.sessions import folded
from classroom.store.plain import text_of
from classroom.store.rows import insert, update
from classroom.store.sqlite_connection import SqliteConnection, reads, writes


class People(SqliteConnection):
    @writes
    def remove_teacher(self, db: Connection, telegram_id: int) -> None:
        db.execute("DELETE FROM teachers WHERE telegram_id = ?", (telegram_id,))
        db.execute("DELETE FROM jwt_tokens WHERE telegram_id = ?", (telegram_id,))

    @writes
    def move_teacher(self, db: Connection, old: int, new: int) -> None:
        for table in ("teachers", "jwt_tokens"):
            db.execute(f"UPDATE OR IGNORE {table} SET telegram_id = ? WHERE telegram_id = ?", (new, old))  # noqa: S608
            db.execute(f"DELETE FROM {table} WHERE telegram_id = ?", (old,))  # noqa: S608
        for table in ("sessions", "sheets"):
            update(db, table, {"teacher": new}, {"teacher": old})

    @writes
    def unbind(self, db: Connection, student_id: str, by: int, at: datetime, reason: str) -> bool:
        key = (folded(student_id),)
        row = db.execute("SELECT * FROM bindings WHERE folded = ?", key).fetchone()
        if row is None:
            return False
        db.execute("DELETE FROM bindings WHERE folded = ?", key)
        record = {"student_id": row["student_id"], "telegram_id": row["telegram_id"], "by_teacher": by}
        insert(db, "unbindings", record | {"at": text_of(at), "reason": reason})
        return True

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
        for table in ("bindings", "unbindings"):
            update(db, table, {"telegram_id": None}, {"telegram_id": telegram_id})
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
