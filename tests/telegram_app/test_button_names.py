"""Buttons that texts name: in every language a button of that name exists."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from babel.messages.extract import extract_from_dir

from telegram_app.i18n import LANGUAGES, texts
from tests.servers import ROOT

pytestmark = pytest.mark.integration

FOLDERS = ("marker", "telegram_app", "classroom")
OF_TELEGRAM = {"Геопозиция", "Транслировать геопозицию", "Геопозицияны трансляциялау"}  # buttons of the app itself
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
