"""Troubles in a person's language: every cause has a name there, and no English is left in it."""

import re
from collections.abc import Iterator

import pytest

from lessons.events import ENDS, Event, StatusEvent
from marker.trouble_texts import OURS, PERSONAL, reason, remedy
from portal.errors import AccountBlocked, PortalError, SignInRefused
from telegram_app.i18n import LANGUAGES, texts

pytestmark = pytest.mark.unit

WORDS = "Только из сети <университета>"
PROPER_NAMES = {"Chrome", "Selenium", "Grid", "CHROME", "BIN", "CHROMEDRIVER", "PATH"}


def errors(of: type[PortalError] = PortalError) -> Iterator[type[PortalError]]:
    for each in of.__subclasses__():
        yield each
        yield from errors(each)


# What the monitors report: an error's name, or the event's where the event says it all.
CAUSES = sorted(
    {each.__name__ for each in errors() if each not in (SignInRefused, AccountBlocked)}
    | {"DatabaseUnavailable"}
    | {event.value for event in (*ENDS, Event.RESTARTED, Event.MARK_REFUSED)}
)


def latin(text: str) -> set[str]:
    """Return the words of a text in Latin letters, without those in tags."""
    return set(re.findall("[A-Za-z]+", re.sub("<[^>]+>", "", text)))


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_has_a_name(cause: str) -> None:
    """Each cause has a text of its own in every language, in that language's letters, and quotes the portal's words."""
    said = {language: reason(texts(language), cause, "") for language in LANGUAGES}
    assert len(set(said.values())) == len(LANGUAGES)
    for language, text in said.items():
        assert text != reason(texts(language), "", "")
        assert language == "en" or latin(text) <= PROPER_NAMES
    for language, text in said.items():
        shown = reason(texts(language), cause, WORDS)
        assert shown == (
            text if cause in ("failed", "no browser") else f"{text}: «Только из сети &lt;университета&gt;»"
        )
        assert reason(texts(language), cause, "HTTP 503") == f"{text} (HTTP 503)"


def test_in_russian_and_kazakh() -> None:
    """Some of them as people read them."""
    ru, kk = texts("ru"), texts("kk")
    assert reason(ru, "PortalSlow", "") == "портал работает очень медленно"
    assert reason(kk, "PortalSlow", "") == "портал өте баяу жұмыс істеп тұр"
    assert reason(ru, "NotThePortal", "Wi-Fi") == "по адресу портала отвечает что-то другое: «Wi-Fi»"
    assert reason(kk, "BrowserFailed", "") == "біздің жақтағы ақау"


@pytest.mark.parametrize("language", ["ru", "kk"])
@pytest.mark.parametrize("cause", sorted(OURS | PERSONAL))
def test_remedies(cause: str, language: str) -> None:
    """What the admin has to do has no English either, but for the command and the names of settings."""
    todo = remedy(texts(language), cause, "net::ERR_CERT_DATE_INVALID")
    assert latin(todo) <= PROPER_NAMES
    assert bool(todo) == (cause in ("DriverMismatch", "GridFull", "CertificateRefused"))


@pytest.mark.parametrize("code", ["PortalSlow", "PortalUnavailable", "BrowserFailed"])
def test_the_log_s_text_is_not_shown(code: str) -> None:
    """An error's own text is English and for the log: of it only an error code is shown."""
    event = StatusEvent(Event.TROUBLE, "the portal is slow: not ready within 15 s, HTTP 503", code=code)
    assert latin(reason(texts("ru"), event.cause, event.detail)) == {"HTTP"}
