"""Check-ins and faces in SQLite; for the methods see ``Store``."""

from datetime import datetime
from sqlite3 import Connection

from classroom.domain.sessions import folded
from classroom.store.plain import text_of
from classroom.store.sqlite_connection import SqliteConnection, writes


class CheckInsAndFaces(SqliteConnection):
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
