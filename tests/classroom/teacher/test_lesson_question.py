"""The questions about a lesson's name and record, without a bot."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from classroom.domain.sessions import Session, Sheet, Teacher
from classroom.domain.shared_records import Lesson
from classroom.services import Classroom
from classroom.teacher.lesson_question import LessonQuestion
from telegram_app.i18n import texts
from tests.classroom.store.contract import TEACHER, a_session

pytestmark = pytest.mark.unit


class Lms:
    """An LMS with one record a day, which it can change."""

    one_record_a_day = True

    async def record_kind(self, _teacher: Teacher) -> str:
        return ""

    async def can_update(self, _teacher: Teacher) -> bool:
        return True


class Store:
    """Has one lesson of the day of every batch."""

    async def other_lessons(self, sheet: Sheet) -> list[Lesson]:
        return [(replace(sheet, session="b" * 12), a_session("b" * 12, [sheet.batch]))]


async def test_batches_of_the_record() -> None:
    """The batches whose record is meant are named in the order of every other list: CS-9 before CS-10, Ә after А."""
    side: Any = SimpleNamespace(texts=lambda _person: texts("en"))
    question = LessonQuestion(cast(Classroom, SimpleNamespace(teacher=side, store=Store(), lms=Lms())))
    session: Session = a_session(batches=["Ғ-1", "CS-10", "Ә-1", "CS-9", "Б-1"])
    asked = await question.needed(TEACHER, replace(session, lesson="Lab"), {"lesson": "Lab"})
    assert asked is not None
    assert "one record a day of CS-9, CS-10, Ә-1, Б-1, Ғ-1 in" in asked.text
