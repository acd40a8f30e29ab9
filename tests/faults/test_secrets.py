"""Password, token and key are not in a log at DEBUG, the data, or Chrome's profile and environment."""

import base64
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import children
from tests.bot_process import MarkerProcess
from tests.e2e.people import ADMIN, TOKEN, Person, Portal, Telegram, code_in, empty_portal, eventually, marker_telegram
from tests.servers import need_browser

# Canaries, with characters that differ between encodings.
PASSWORD = "Kanarienvogel+7/ü ä&<Ω"
USERNAME = "canary_student"


def spellings(secret: str) -> dict[str, bytes]:
    """Return a secret in each encoding; for base64 the part that is the same at every alignment."""
    raw = secret.encode()
    found = {
        "raw": raw,
        "UTF-16": secret.encode("utf-16-le"),
        "URL": urllib.parse.quote(secret, safe="").encode(),
        "URL, lower case": _lower_hex(urllib.parse.quote(secret, safe="")).encode(),
        "form": urllib.parse.quote_plus(secret).encode(),
        "JSON": json.dumps(secret)[1:-1].encode(),
        "repr": repr(raw)[2:-1].encode(),
    }
    for offset in range(3):
        # cut off the characters that depend on the bytes before or after
        encoded = base64.b64encode(b"\0" * offset + raw)
        found[f"base64, {offset}"] = encoded[(0, 2, 3)[offset] : len(encoded) - 4]
        found[f"base64 for URLs, {offset}"] = found[f"base64, {offset}"].replace(b"+", b"-").replace(b"/", b"_")
    return found


def _lower_hex(quoted: str) -> str:
    parts = quoted.split("%")
    return parts[0] + "".join("%" + part[:2].lower() + part[2:] for part in parts[1:])


def leaks(folder: Path, secrets: dict[str, str], skip: tuple[str, ...] = ()) -> list[str]:
    """Return the occurrences of secrets in the files below a folder."""
    found = []
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.is_symlink() or file.name in skip:
            continue
        content = file.read_bytes()
        for name, secret in secrets.items():
            found += [
                f"{name} ({spelling}) in {file.relative_to(folder)}"
                for spelling, text in spellings(secret).items()
                if text in content
            ]
    return found


@pytest.mark.parametrize("spelling", sorted(spellings(PASSWORD)))
def test_the_search_finds_each_spelling(tmp_path: Path, spelling: str) -> None:
    """The search finds a planted secret in every encoding, so an empty result in the next test is meaningful."""
    (tmp_path / "deep").mkdir()
    text = spellings(PASSWORD)[spelling]
    (tmp_path / "deep" / "log").write_bytes(b"before " + text + b" after")
    assert any(f"({spelling})" in leak for leak in leaks(tmp_path, {"password": PASSWORD}))


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """The simulated portal with one student."""
    with empty_portal(simulated_portal_url) as portal:
        portal.has_student(USERNAME, PASSWORD)
        yield portal


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Telegram with our bot registered."""
    with marker_telegram(telegram_url) as telegram:
        yield telegram


@pytest.fixture
def bot(tmp_path: Path, telegram: Telegram, portal: Portal) -> Iterator[MarkerProcess]:
    """The bot's process; ended after the test."""
    need_browser()
    bot = MarkerProcess(tmp_path, telegram, portal)
    try:
        yield bot
    finally:
        bot.end()


@pytest.mark.ordeal
def test_no_secret_leaks(tmp_path: Path, telegram: Telegram, portal: Portal, bot: MarkerProcess) -> None:
    """After a registration, a mark, faults of every kind and two crashes no secret is in any file or environment.

    A password sent during a crash is accepted by the next process, and its message is deleted.
    """
    bot.start()
    admin = Person(telegram, ADMIN, "Admin")
    admin.says("/start")
    admin.taps("Admin Panel")
    admin.taps("Generate Invitation Code")
    code = code_in(admin.sees("Invitation code:")["text"])
    student = Person(telegram, 2001, "Student")
    student.says(f"/start {code}")
    student.sees("The code is good")
    student.says(USERNAME)
    student.sees("I will delete your message at once")
    bot.crash()
    student.says(PASSWORD)
    bot.start()
    student.sees("Registration complete!")
    eventually("the deletion of the password", lambda: not any(PASSWORD in (m["text"] or "") for m in student.screen()))
    student.taps("Start Monitoring")
    student.sees("Monitoring: on since")
    lesson = portal.opens("Algebra")
    student.sees("Attendance Marked.")
    environments = [children.environment_of(process) for process in bot.browsers()]
    assert any(environments)
    key = (tmp_path / "secrets" / "encryption.key").read_text().strip()
    secrets = {"password": PASSWORD, "token": TOKEN, "key": key}
    for environment in environments:
        assert not [name for name, value in environment.items() if any(s in value for s in secrets.values())]
    portal.closes(lesson)
    portal.behaves(status=503)
    eventually("trouble", lambda: "PortalUnavailable" in bot.log())
    portal.behaves(status=None)
    telegram.call("/faults", method="sendMessage", kind="500")
    student.says("/start")
    victim = next(process for process in bot.browsers() if children.name_of(process) == "chromedriver")
    victim.kill()
    eventually("the driver's end", lambda: "BrowserFailed" in bot.log())
    portal.expires()
    bot.crash()
    bot.start()
    eventually("another sign-in", lambda: len(portal.events("signed_in")) >= 2)
    student.says("/start")
    assert bot.stop() == 0
    assert "DEBUG" in bot.log()
    assert leaks(tmp_path, secrets, skip=("encryption.key",)) == []
    assert bot.browsers() == []
