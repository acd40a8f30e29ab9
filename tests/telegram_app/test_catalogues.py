"""The catalogues compared with the code: every text is translated, with the same placeholders."""

import ast
import io
import re
import string
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from telegram_app.i18n import LANGUAGES, closest, texts
from tests.servers import ROOT

pytestmark = pytest.mark.integration


OTHERS = [language for language in LANGUAGES if language != "en"]
TELEGRAMS_OWN = {  # labels in Telegram's app
    "ru": {"Геопозиция", "Транслировать геопозицию"},
    "kk": {"Геопозиция", "Геопозицияны трансляциялау"},
}


def in_the_code() -> set[str]:
    """Return the texts in the code; of plurals the singular."""
    found = set()
    for folder in ("marker", "telegram_app", "classroom"):
        for _file, _line, message, _comments, _context in extract_from_dir(str(ROOT / folder)):
            found.add(message[0] if isinstance(message, tuple) else message)
    return found


def catalogue(language: str) -> Catalog:
    """Read a language's catalogue."""
    path = ROOT / "locales" / language / "LC_MESSAGES" / "attendance.po"
    return read_po(io.BytesIO(Path(path).read_bytes()), locale=language, abort_invalid=True)


def overlooked(source: str) -> list[str]:
    """Return the texts that the extraction misses: those not passed to ``_``, or inside an f-string."""
    found = []
    for node in ast.walk(ast.parse(source)):
        calls = (
            [each for each in ast.walk(node) if isinstance(each, ast.Call)] if isinstance(node, ast.JoinedStr) else []
        )
        asking = [each for each in calls if getattr(each.func, "id", "") == "_"]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Call):
            asked = node.func.func
            if (asked.attr if isinstance(asked, ast.Attribute) else getattr(asked, "id", "")) == "texts":
                asking.append(node)
        for call in asking:
            if call.args and isinstance(call.args[0], ast.Constant):
                found.append(str(call.args[0].value))
    return found


def fields(text: str) -> set[str]:
    """Return the names of the placeholders."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_of_the_code_is_translated(language: str) -> None:
    """No text is missing in a language, and none is left over from deleted code."""
    translated = {m.id[0] if isinstance(m.id, tuple) else m.id for m in catalogue(language) if m.id}
    assert translated == in_the_code()


@pytest.mark.parametrize("language", OTHERS)
def test_translations_are_real_and_take_the_same_values(language: str) -> None:
    """Each translation exists, differs from the English, is not fuzzy, and has the same placeholders."""
    for message in catalogue(language):
        if not message.id:
            continue
        english = [message.id] if isinstance(message.id, str) else list(message.id)
        forms = [message.string] if isinstance(message.string, str) else list(message.string or ())
        assert forms
        assert not message.fuzzy
        for form in forms:
            assert form, message.id
            assert form not in english
            assert fields(form) == fields(english[0]), form


@pytest.mark.parametrize("language", OTHERS)
def test_buttons_named_in_texts_exist(language: str) -> None:
    """A button quoted in a translation is the translation of a label in the English text."""
    messages = {m.id: str(m.string) for m in catalogue(language) if isinstance(m.id, str) and m.id}
    for english, translation in messages.items():
        for quoted in set(re.findall("«([^»{]+)»", translation)) - TELEGRAMS_OWN[language]:
            labels = [label for label, translated in messages.items() if translated == quoted]
            assert any(label in english for label in labels), translation


@pytest.mark.parametrize(
    ("source", "texts_"),
    [
        ('texts(1)("A")', ["A"]),
        ('self.side.texts(1)("A")', ["A"]),
        ("f'{_(\"A\")}'", ["A"]),
        ('_ = texts(1); _("A")', []),
    ],
)
def test_overlooked_texts_are_recognised(source: str, texts_: list[str]) -> None:
    """``overlooked`` finds the texts that the extraction misses."""
    assert overlooked(source) == texts_


def test_no_text_is_overlooked() -> None:
    """A text that the extraction misses in one place is extracted from another."""
    files = [file for folder in ("marker", "telegram_app", "classroom") for file in (ROOT / folder).rglob("*.py")]
    found = {text for file in files for text in overlooked(file.read_text(encoding="utf-8"))}
    assert found - in_the_code() == set()


@pytest.mark.parametrize("language", [*LANGUAGES])
def test_buttons_have_no_emoji(language: str) -> None:
    """Texts contain only letters, digits and punctuation."""
    _ = texts(language)
    for message in in_the_code():
        assert not re.search("[\U0001f000-\U0001ffff☀-➿]", _(message))


def test_plurals_follow_the_language() -> None:
    """Russian has three plural forms, and 21 has the same form as 1."""
    _ = texts("ru")
    shown = [_.ngettext("{n} minute left", "{n} minutes left", n).format(n=n) for n in (1, 3, 5, 21)]
    assert shown == ["Осталась 1 минута", "Осталось 3 минуты", "Осталось 5 минут", "Осталась 21 минута"]


@pytest.mark.parametrize(
    ("code", "expected"), [("ru", "ru"), ("kk-KZ", "kk"), ("en-GB", "en"), ("de", "en"), (None, "en")]
)
def test_the_app_s_language_decides(code: str | None, expected: str) -> None:
    """An unsupported language becomes English."""
    assert closest(code) == expected
