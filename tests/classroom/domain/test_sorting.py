"""The order of names in lists."""

import random

import pytest

from classroom.domain.sessions import Enrolled
from classroom.domain.sorting import in_order, name_key

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "names",
    [
        ["Student 2", "Student 11", "Student 100"],
        ["CS-9", "CS-10", "CS-010a"],
        ["Егоров", "Ёлкин", "Жуков"],
        ["Абай", "Әлия", "Болат", "Ғани", "Дана", "Кайрат", "Қанат", "Лаура"],
        ["Нұр", "Ңа", "Олжас", "Өмір", "Петр", "Тан", "Умар", "Ұлан", "Үміт", "Фара", "Хан", "Һан", "Цой"],
        ["Шы", "Ыс", "Із", "Ья", "Эл"],
        ["Adams", "Éva", "Evans", "Zoe", "Авдеев"],
        ["adams", "Adams B", "ADAMS C"],
        ["", "7", "a"],
    ],
)
def test_order(names: list[str]) -> None:
    """Numbers sort by value, letters by the Russian and Kazakh alphabets, Latin ones first, whatever their case."""
    for _ in range(5):
        assert sorted(random.sample(names, len(names)), key=name_key) == names


def test_roster() -> None:
    """Students of one name are sorted by ID."""
    students = [Enrolled("10", "Ё", "A"), Enrolled("9", "Ё", "A"), Enrolled("1", "Е", "A")]
    assert [each.student_id for each in in_order(students)] == ["1", "9", "10"]
