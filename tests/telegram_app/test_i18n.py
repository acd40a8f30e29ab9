"""The choice of a language, and the English fallback of untranslated texts."""

import subprocess
import sys

import pytest

from telegram_app.i18n import LANGUAGES, closest, texts
from tests.servers import ROOT
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("ru", "ru"),
        ("kk", "kk"),
        ("en", "en"),
        ("en-GB", "en"),
        ("RU", "ru"),
        ("kk-KZ", "kk"),
        ("de", "en"),
    ],
)
def test_closest(code: str, language: str) -> None:
    """A person gets the language of their Telegram app if it is supported, else English."""
    assert closest(code) == language


def test_no_language_code() -> None:
    """Without a language code from Telegram the language is English."""
    assert closest(None) == closest("") == "en"


@pytest.mark.parametrize("language", [*LANGUAGES, "de", "", "../en"])
def test_every_language_has_every_text(language: str) -> None:
    """An untranslated text is returned in English, in every language."""
    _ = texts(language)
    assert _("a text that nobody has translated") == "a text that nobody has translated"
    assert _.ngettext("{n} unheard of", "{n} unheard of them", 1) == "{n} unheard of"
    assert _.ngettext("{n} unheard of", "{n} unheard of them", 2) == "{n} unheard of them"


def test_english_is_the_source() -> None:
    """English texts are those in the code, word for word."""
    assert texts("en")("Start Monitoring") == "Start Monitoring"
    assert texts("en").language == texts("de").language == "en"


# Prints the catalogues that `load` opens, then the files that the first text in each language opens.
_FIRST_TEXTS = """
import sys
from telegram_app.i18n import LANGUAGES, load, texts

opened = []
sys.addaudithook(lambda event, values: opened.append(str(values[0])) if event == "open" else None)
load()
print(sorted(path.split("/")[-3] for path in opened if path.endswith(".po")))
opened.clear()
shown = [texts(language)("Status") for language in LANGUAGES]
print(opened, len(set(shown)))
"""


def test_first_text_reads_no_file() -> None:
    """After `load` the first text in a language opens no file, so it does not block the event loop."""
    ran = subprocess.run(
        [sys.executable, "-c", _FIRST_TEXTS], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert ran.stdout.splitlines() == ["['kk', 'ru']", f"[] {len(LANGUAGES)}"]
