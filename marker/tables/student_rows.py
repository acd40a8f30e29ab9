"""Changes of a student's rows in the tables of several owners, each as one transaction."""

from core.sqlite import Database
from lessons.journal import Lessons
from marker.tables.watches import Watches
from telegram_app.move_codes import MoveCode, MoveCodes
from telegram_app.people import People


class StudentRows:
    """A student's rows in all tables of the marker's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._people, self._lessons = People(database, "marker"), Lessons(database)
        self._watches, self._move_codes = Watches(database), MoveCodes(database)

    def forget(self, student: int) -> None:
        """Delete everything but queued deletions: a message with a typed password must leave the chat."""
        with self._database.transaction():
            self._people.forget(student)
            self._lessons.forget(student)
            self._watches.forget(student)
            self._move_codes.forget(student)

    def forget_monitoring(self, student: int, before: str) -> None:
        """Delete lessons and monitoring state, but keep what the chat needs: language, step, messages, slots.

        Lessons that we meant to mark stay where their date (ISO 8601) is not ``before`` that one.
        """
        with self._database.transaction():
            self._lessons.forget(student, before)
            self._watches.forget(student)

    def hand_over(self, move: MoveCode) -> None:
        """Give the rows to the account that the student has moved to, and delete the move code.

        Call it when the student's record has moved.
        """
        if move.moved_to is None:
            raise ValueError("the move has not begun")
        with self._database.transaction():
            self._lessons.hand_over(move.person, move.moved_to)
            self._watches.hand_over(move.person, move.moved_to)
            self._people.hand_over(move.person, move.moved_to)
            self._move_codes.remove(move.code)
