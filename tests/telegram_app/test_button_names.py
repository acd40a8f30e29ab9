"""Buttons that texts name: in every language a button of that name exists."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import pytest
from babel.messages.extract import extract_from_dir

from classroom.check_in.answers import Answer, AnswerKind
from classroom.domain.location_policy import LocationRefusal
from classroom.services import Classroom
from classroom.student.texts import answer_text, help_text, refusal_text, share_text
from core.settings import Settings
from telegram_app.i18n import LANGUAGES, texts
from telegram_app.side import Side
from tests.servers import ROOT

pytestmark = pytest.mark.integration

FOLDERS = ("marker", "telegram_app", "classroom")
OF_TELEGRAM = {"Геопозиция", "Транслировать геопозицию", "Геопозицияны трансляциялау"}  # buttons of the app itself
THE_WORD = {"en": "button", "ru": "кнопк", "kk": "түйме"}
# Texts that speak of the button below without its name: those of a location request that has one, and of a contact's.
OF_REQUESTS = {
    "Press the button below on your phone, in class.",
    "Share your location with the button, from your phone, in class. A computer can't.",
    "Share your location with the button below, from your phone, in class.",
    "A practice check-in: nothing is marked. Share your location with the button below, from your phone.",
    "Share your phone number with the button below: I look you up by it.",
    "That is not your own number. Press the button below.",
}
NAMING = r"(?:[Pp]ress(?:ed)?|[Tt]ap(?:ped)?|then|with) {}(?!\w)"


def calls() -> Iterator[ast.Call]:
    """Yield every call in the product's code."""
    for folder in FOLDERS:
        for file in (ROOT / folder).rglob("*.py"):
            yield from (node for node in ast.walk(ast.parse(file.read_bytes())) if isinstance(node, ast.Call))


def asked(node: ast.AST) -> set[str]:
    """Return the texts that an expression asks for with ``_``."""
    found = [each for each in ast.walk(node) if isinstance(each, ast.Call) and getattr(each.func, "id", "") == "_"]
    return {str(each.args[0].value) for each in found if isinstance(each.args[0], ast.Constant)}


@cache
def buttons() -> frozenset[str]:
    """Return the English labels of all buttons."""
    found: set[str] = set()
    for call in calls():
        if getattr(call.func, "id", "") in ("Button", "_turns"):
            found.update(*map(asked, call.args))
        found.update(*(asked(keyword.value) for keyword in call.keywords if keyword.arg == "ask_label"))
    return frozenset(found)


@cache
def in_the_code() -> frozenset[str]:
    """Return every text of the code, with plurals."""
    found: set[str] = set()
    for folder in FOLDERS:
        for _file, _line, message, _comments, _context in extract_from_dir(str(ROOT / folder)):
            found.update(message if isinstance(message, tuple) else [message])
    return frozenset(found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_named_button_exists(language: str) -> None:
    """A text that names a button names it, in every language, as the button's label is in that language."""
    _ = texts(language)
    named = [
        (text, label)
        for text in in_the_code()
        for label in buttons()
        if text != label and re.search(NAMING.format(re.escape(label)), text)
    ]
    assert [(text, _(label)) for text, label in named if _(label) not in _(text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_quoted_button_exists(language: str) -> None:
    """What a translation quotes is a button's label, a value, or a button of Telegram's own app."""
    _ = texts(language)
    known = {_(label) for label in buttons()} | OF_TELEGRAM
    quoted = {(text, name) for text in in_the_code() for name in re.findall("«([^»]*)»", _(text))}
    assert {(text, name) for text, name in quoted if name not in known and not re.fullmatch(r"{\w+}", name)} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_button_in_italics_exists(language: str) -> None:
    """What a text has in italics is a button's label, in every language as the button has it there."""
    _ = texts(language)
    named = {text: re.findall("<i>(.*?)</i>", text) for text in in_the_code()}
    assert any(named.values())
    assert {label for labels in named.values() for label in labels} <= buttons()
    for text, labels in named.items():
        if _(text) != text:
            assert sorted(re.findall("<i>(.*?)</i>", _(text))) == sorted(map(_, labels))


def test_a_filled_in_button_is_a_button() -> None:
    """What is filled in for {button} is the label of a button, from the same string."""
    filled = [asked(each.value) for call in calls() for each in call.keywords if each.arg == "button"]
    assert filled
    assert all(len(labels) == 1 and labels <= buttons() for labels in filled)


def test_a_button_without_a_name_is_known() -> None:
    """A text that speaks of the button below, which no label names, is known to stand above one."""
    found = {text for text in in_the_code() if re.search(r"\bwith the button\b|\bbutton below\b", text)}
    assert found == OF_REQUESTS


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("location_policy", ["basic", "strict"])
def test_a_location_request_names_what_it_has(language: str, location_policy: str) -> None:
    """What is said about sharing a location speaks of a button only where the request has one."""
    _, word = texts(language), THE_WORD[language]
    said = [refusal_text(_, each, location_policy, 1500) for each in LocationRefusal]
    said += [share_text(_, location_policy), help_text(_, location_policy, checks_faces=False)]
    settings = Settings(_env_file=None, location_policy=location_policy)  # type: ignore[call-arg]
    said += [answer_text(_, Answer(kind), settings) for kind in AnswerKind]
    said += [answer_text(_, Answer(AnswerKind.REFUSED, refusal=each), settings) for each in LocationRefusal]
    side = Side(cast("Any", None), cast("Any", None), cast("Any", None), languages={1: language})
    classroom = Classroom(settings, *[cast("Any", None)] * 7)
    has_button = classroom.location_request(side, 1, "").ask == "location"
    assert has_button is (location_policy == "basic")
    assert any(word in each.lower() for each in said) is has_button
