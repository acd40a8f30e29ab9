"""A trace names the captions of lessons' buttons that are no known words, and never what may name a person."""

import json
from pathlib import Path
from typing import Any

import pytest

from portal import errors, views, windows, words
from portal.trace import Redactor, Trace
from tests.fakes import FakeClock
from tests.portal.test_words import OF_ACCOUNTS, OF_SIGN_INS

pytestmark = pytest.mark.unit

ALGEBRA = ("Алгебра и геометрия", "Иванов И. И.", "Л27 (15:00 - 16:00)")
BIOLOGY = ("Biology", "Petrova A.", "П2 (16:00 - 17:00)")


def div(classes: str, *children: Any) -> Any:
    return ["div", classes.split(), [], list(children)]


def button(caption: str) -> Any:
    return div("v-button v-widget", ["span", ["v-button-wrap"], [], [["span", ["v-button-caption"], [], [caption]]]])


def card(lesson: tuple[str, ...], *captions: str) -> Any:
    """Return a lesson's card with these buttons."""
    label = [part for line in (*lesson, "12 minutes left") for part in (line, ["br", [], [], []])]
    return div("v-verticallayout v-verticallayout-card", div("v-label v-label-bold", *label), *map(button, captions))


def page(*parts: Any) -> Any:
    """Return a page whose root layout has the card class as well, as on the portal."""
    return div("v-generated-body", div("v-verticallayout v-verticallayout-card", *parts))


def named(folder: Path, *pages: Any, username: str = "21b030123") -> dict[str, str]:
    """Return the captions that a trace of these pages names."""
    path = folder / "trace.jsonl"
    trace = Trace(path, FakeClock().monotonic, (username, "Correct-Horse-7"))
    for each in pages:
        trace.shape(each)
    told = trace.end("stopped")
    trace.close()
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found: dict[str, str] = next((each["captions"] for each in records if each["kind"] == "captions"), {})
    assert sorted(found.values()) == sorted(told)
    for caption in found.values():
        assert all(caption not in json.dumps(each, ensure_ascii=False) for each in records if each["kind"] == "shape")
    return found


@pytest.mark.parametrize(
    "caption",
    [
        "Зачесть",
        "Зачесть на паре",
        "Отметить посещение",
        "Зарегистрировать присутствие",
        "Tap in",
        "Join",
        "Пуск",
        "Тіркелу",
    ],
)
def test_a_caption_of_two_lessons_is_named(caption: str, tmp_path: Path) -> None:
    """A caption of the buttons of two lessons with different courses and teachers is named, on one page or on two."""
    found = named(tmp_path, page(card(ALGEBRA, "Подробнее", caption), card(BIOLOGY, "Подробнее", caption)))
    assert list(found.values()) == ([] if Redactor().text(caption) == caption else [caption])
    (tmp_path / "trace.jsonl").unlink()
    assert named(tmp_path, page(card(ALGEBRA, caption)), page(card(BIOLOGY, caption))) == found


def test_under_a_heading(tmp_path: Path) -> None:
    """A heading above each lesson's label does not make two lessons one."""
    heading = div("v-label v-label-bold", "Занятие группы")
    cards = [card(ALGEBRA, "Зачесть"), card(BIOLOGY, "Зачесть")]
    for each in cards:
        each[3].insert(0, heading)
    assert list(named(tmp_path, page(*cards)).values()) == ["Зачесть"]


HEADER = div("v-horizontallayout-header", button("Главная"), button("Студентова"))


@pytest.mark.parametrize(
    "pages",
    [
        # a profile menu, in the header or in the layout of the lessons, or on the button as an action
        [page(HEADER, card(ALGEBRA, "Зачесть"), card(BIOLOGY))],
        [page(card(ALGEBRA, "Студентова"), card(BIOLOGY, "Студентова")), page(HEADER)],
        [page(HEADER), page(card(ALGEBRA, "Отметить студентову"), card(BIOLOGY, "Отметить студентову"))],
        [page(div("v-label", "Әсел Студентова")), page(card(ALGEBRA, "Әселге"), card(BIOLOGY, "Әселге"))],
        [page(card(ALGEBRA, "Отметить Студентову"), card(BIOLOGY, "Отметить Студентову"))],
        [page(card(ALGEBRA, "Студентова А."), card(BIOLOGY, "Студентова А."))],
        [page(card(ALGEBRA, "21B030123"), card(BIOLOGY, "21B030123"))],
        # a teacher or a course as a button
        [page(card(ALGEBRA, "Петров"))],
        [page(card(("Алгебра", "Поток 1", ALGEBRA[2]), "Петров"), card(("Физика", "Поток 2", BIOLOGY[2]), "Петров"))],
        [page(card(("Лекция", "Иванов", ALGEBRA[2]), "Алгебра"), card(("Лекция", "Петров", BIOLOGY[2]), "Алгебра"))],
        [page(card(ALGEBRA[2:], "Алгебра"), card(BIOLOGY[2:], "Алгебра"))],
        [page(card(("Физика", *ALGEBRA[1:]), "Петрова"), card(BIOLOGY, "Петрова")), page(div("v-label", "Петрова"))],
        # no lesson: the root layout with the person's name in bold
        [page(div("v-label v-label-bold", "Студентова", "Әсел"), button("Сәрсенқызы"))] * 2,
        [page(card(("Студентова", "Әсел"), "Сәрсенқызы"), card(("Иванов", "Иван"), "Сәрсенқызы"))],
    ],
)
def test_names_stay_out(pages: list[Any], tmp_path: Path) -> None:
    """What stands elsewhere, belongs to one lesson or course, or is written as a name is not named."""
    assert named(tmp_path, *pages) == {}


@pytest.mark.parametrize(
    ("header", "caption"),
    [
        ("Studentova Assel", "Студентова"),
        ("Студентова Әсел", "Assel"),
        ("Әсел Жұмабаева", "Zhumabayeva"),
        ("Äsel Jumabaeva", "Жұмабаева"),
        ("Ст\u00adудентова", "Студентова"),
        ("\u0421тудентова", "Cтудентова"),
        ("Yerzhan", "Ержан"),
        ("Джамиля", "Jamilya"),
        ("Юлия", "Yuliya"),
        ("Aigul", "Айгуль"),
        ("Лев", "Льву"),
        ("Павел", "Павлу"),
        ("Пётр", "Петру"),
        ("Илья", "Ильи"),
        ("Цой", "Цою"),
    ],
)
def test_a_name_in_another_spelling_stays_out(header: str, caption: str, tmp_path: Path) -> None:
    """A name that a page shows in the other alphabet, or in a case with other vowels, is not named."""
    found = named(tmp_path, page(div("v-label", header), card(ALGEBRA, caption), card(BIOLOGY, caption)))
    assert found == {}


@pytest.mark.parametrize("caption", ["Сидоровой", "Достоевский", "Ивановичу", "Нурлановна", "Серікқызы", "Akhmetbek"])
def test_a_family_name_stays_out(caption: str, tmp_path: Path) -> None:
    """A word that ends as family names do is not named, although it stands on buttons of lessons only."""
    assert named(tmp_path, page(card(ALGEBRA, caption), card(BIOLOGY, caption))) == {}


def test_a_lesson_in_two_languages_is_one(tmp_path: Path) -> None:
    """The portal in another language, which writes names in the other alphabet, makes no second lesson."""
    pages = [page(card((*each, ALGEBRA[2]), "Кезекші")) for each in (("Алгебра", "Иванов"), ("Algebra", "Ivanov"))]
    assert named(tmp_path, *pages) == {}


def test_a_name_like_the_username_stays_out(tmp_path: Path) -> None:
    """A student's own name on each lesson's button is known by the username, in either alphabet."""
    for number, (name, username) in enumerate(
        (
            ("Студентова", "a_studentova"),
            ("Жұмабаева", "zhumabaeva.a@kbtu.kz"),
            ("Assel", "as_assel"),
            ("Ержан", "yerzhan"),
            ("Жандос", "jandos_k"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert named(folder, page(card(ALGEBRA, name), card(BIOLOGY, name)), username=username) == {}


def test_what_the_marker_knows_is_kept() -> None:
    """Whatever caption or phrase the marker looks for is in a trace in clear, so that a replay shows the same view."""
    known = {*words.MARK, *words.MARKED, *words.SIGN_IN, *words.SIGN_OUT, *views._NOTHING, views._EXPIRED}
    for caption in known:
        for written in (caption, caption.capitalize(), f"\uf00c {caption}"):
            assert words.folded(Redactor().text(written)) == caption
    for caption in windows._AFFIRMATIVE | windows._CLOSE:
        assert Redactor().text(caption) == caption


@pytest.mark.parametrize(("text", "kind"), [*OF_ACCOUNTS, *OF_SIGN_INS])
def test_what_the_portal_says_of_accounts_is_kept(text: str, kind: type[errors.PortalError]) -> None:
    """The portal's words about an account give the same error from a trace."""
    said = Redactor().text(text)
    read = [words.account_error(said, errors.SignInRefused), words.failed_sign_in(said)]
    assert kind in map(type, read)
    assert type(read[1]) is type(words.failed_sign_in(text))
