"""The trace of a rehearsal: what is kept, what is replaced, and that a record with a secret is withheld."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.trace import Redactor, Trace
from tests.fakes import FakeClock

pytestmark = pytest.mark.unit

PERSON = {
    "username": "a_student",
    "e-mail": "a_student@kbtu.kz",
    "password": "Correct-Horse-7",
    "name": "Әсел Сәрсенқызы Студентова",
    "name in Latin": "Assel Studentova",
    "id": "21B030123",
    "teacher": "Иванов И. И.",
    "teacher in Latin": "Ivanov I. I.",
    "subject": "Алгебра және геометрия",
    "subject in Latin": "Linear Algebra 2",
    "subject of known words": "Сети",
    "group": "ИС-2107",
    "phone": "+7 701 123 45 67",
}


@pytest.mark.parametrize(
    "text",
    [
        "Отметиться",
        "Белгілену",
        "Вход в систему",
        "Неверный логин или пароль.",
        "Нет доступных дисциплин",
        "Пайдаланушы бұғатталған.",
        "Время сеанса истекло",
        "(15:00 - 16:00)",
        "10:00-10:50",
        "Осталось 14 минут",
        "1 ч 20 мин қалды",
        "9 minutes left",
    ],
)
def test_words_of_the_portal_are_kept(text: str) -> None:
    """The portal's own words, times and countdowns are kept as they are."""
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Пользователь заблокирован. Причина: Долг Петровой", "Пользователь заблокирован. Причина: Жжжщ Жжжжжжжъ"),
        ("Л27 (15:00 - 16:00)", "Л00 (15:00 - 16:00)"),
        ("Осталось 2107 минут", "Осталось 0000 минут"),
        ("В 17:60, 10.1.2.3", "Щ 00:00, 00.0.0.0"),
        ("Mark I.", "Xxxq Z."),
        ("a\u200b_student \u2764", "x_xxxxxxq ?"),
    ],
)
def test_everything_else_keeps_its_shape_only(text: str, redacted: str) -> None:
    """Unknown words become letters of the same shape, other digits zeros; initials do not make a name known."""
    assert Redactor().text(text) == redacted


def test_same_word_same_placeholder() -> None:
    """Placeholders tell two words apart, and are the same for one word, however it is written."""
    redactor = Redactor()
    words = [f"word{chr(97 + n)}{chr(97 + m)}" for n in range(26) for m in range(26)]
    assert len({redactor.text(word) for word in words}) == len(words)
    assert redactor.text("Wordaa") == redactor.text("wordaa").capitalize()


@given(st.text(max_size=60))
def test_no_unknown_word_is_left(text: str) -> None:
    """Whatever a text consists of, a word of it that is unknown is not in what is left."""
    redacted = Redactor().text(f"{text} Studentova", is_lesson=True).casefold()
    assert "studentova" not in redacted


def tree_of(*lines: str) -> Any:
    """Return a page on which a lesson's label has these lines."""
    label = ["div", ["v-label", "v-label-bold"], [], [part for line in lines for part in (line, ["br", [], [], []])]]
    return ["body", ["v-generated-body"], [], [["div", ["v-verticallayout-card"], [["role", "button"]], [label]]]]


def test_trace_names_nobody(tmp_path: Path) -> None:
    """No string of a person's data is in a trace, wherever the page shows it; the shape stays."""
    trace = Trace(tmp_path / "trace.jsonl", FakeClock().monotonic, ("nobody", "no password"))
    for said in PERSON.values():
        trace.shape(tree_of(said, PERSON["teacher"], "Л27 (15:00 - 16:00)", "12 minutes left"))
        if said != PERSON["subject of known words"]:  # outside of a lesson it is the portal's own word
            trace.shape(["body", [f"v-label-{said}"], [["role", said]], [f"{said}: вход", ["span", [], [], [said]]]])
            trace.write("view", text=trace.redactor.text(said))
    trace.close()
    written = (tmp_path / "trace.jsonl").read_text(encoding="utf-8")
    for said in PERSON.values():
        assert said.casefold() not in written.casefold()
    assert '["v-label", "v-label-bold"]' in written
    assert "Л00 (15:00 - 16:00)" in written
    assert "12 minutes left" in written
    assert trace.withheld == 0


def test_record_with_a_secret_is_withheld(tmp_path: Path) -> None:
    """A record that contains the username or the password all the same is not written; the others are, at once."""
    path = tmp_path / "trace.jsonl"
    trace = Trace(path, FakeClock().monotonic, ("Вход", "log in"))
    trace.write("view", text=trace.redactor.text("Вход в систему"))
    trace.write("view", cards=[{"lines": ["Please LOG IN"]}])
    trace.write("view", text="Нет доступных дисциплин")
    kinds = [json.loads(line)["kind"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert kinds == ["withheld", "withheld", "view"]
    assert trace.withheld == 2
    trace.close()


def test_file_is_private_and_never_replaced(tmp_path: Path) -> None:
    """The file is readable by its owner only, and an existing one is refused."""
    path = tmp_path / "trace.jsonl"
    Trace(path, FakeClock().monotonic, ()).close()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        Trace(path, FakeClock().monotonic, ())
