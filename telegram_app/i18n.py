"""Translations: gettext catalogues, compiled from the .po files at start. The source language is English."""

import gettext
import io
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = {"en": "English", "ru": "Русский", "kk": "Қазақша"}
_LOCALES = Path(__file__).resolve().parent.parent / "locales"


class Texts:
    """The texts of one language: ``_ = texts(language)``, then ``_("Status")``."""

    def __init__(self, language: str, translations: gettext.NullTranslations) -> None:
        self.language = language
        self._translations = translations

    def __call__(self, message: str) -> str:
        return self._translations.gettext(message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self._translations.ngettext(singular, plural, number)


def load() -> None:
    """Load the catalogues of all languages; compiling one takes 0.3 s, which must not block the loop later."""
    for language in LANGUAGES:
        texts(language)


@cache
def texts(language: str) -> Texts:
    """Return the texts of a language; English if it is not supported."""
    path = _LOCALES / language / "LC_MESSAGES" / "attendance.po"
    if language not in LANGUAGES or language == "en" or not path.exists():
        return Texts("en", gettext.NullTranslations())
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Texts(language, gettext.GNUTranslations(compiled))


def closest(language_code: str | None) -> str:
    """Return the supported language for a language code from Telegram, such as "ru" or "en-GB"; else English."""
    code = (language_code or "").split("-")[0].lower()
    return code if code in LANGUAGES else "en"
