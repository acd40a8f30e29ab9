"""bot.py as a process: start, refused start, exit codes, and end."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot_process import BotProcess, MarkerProcess
from tests.children import HANGS_UP
from tests.e2e.people import ADMIN, TOKEN, Person, Portal, Telegram, empty_portal, eventually
from tests.servers import need_browser

USERNAME, PASSWORD = "a_student", "Correct-Horse-7"


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """The empty simulated portal: these tests do not depend on the toolkit."""
    with empty_portal(simulated_portal_url) as portal:
        yield portal


def run_bot(folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run bot.py with a clean environment until it exits."""
    return BotProcess(folder, **settings).runs()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "TELEGRAM_BOT_TOKEN: got nothing, wants "),
        ({"TELEGRAM_BOT_TOKEN": TOKEN}, "ADMIN_TELEGRAM_ID: got nothing, wants "),
        ({"TELEGRAM_BOT_TOKEN": "12345:secret-typo"}, "TELEGRAM_BOT_TOKEN: got a value that is not shown here, wants "),
        (
            {"TELEGRAM_BOT_TOKEN": TOKEN, "ADMIN_TELEGRAM_ID": "@me"},
            "ADMIN_TELEGRAM_ID: got '@me', wants ",
        ),
        (
            {"TELEGRAM_BOT_TOKEN": TOKEN, "ADMIN_TELEGRAM_ID": "1", "REFRESH_INTERVAL": "often"},
            "REFRESH_INTERVAL: got 'often', wants ",
        ),
        (
            {"TELEGRAM_BOT_TOKEN": TOKEN, "ADMIN_TELEGRAM_ID": "1", "PORTAL_URL": "http://portal.example/"},
            "PORTAL_URL: got 'http://portal.example/', wants ",
        ),
        (
            {"TELEGRAM_BOT_TOKEN": TOKEN, "ADMIN_TELEGRAM_ID": "1", "ENCRYPTION_KEY": "not-a-key"},
            "ENCRYPTION_KEY: got a value that is not shown here, wants ",
        ),
    ],
)
@pytest.mark.ordeal
def test_wrong_settings_end_the_start(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    """Wrong settings: exit code 78, and a line for each with its value and what is expected; no secret."""
    done = run_bot(tmp_path, **settings)
    assert done.returncode == 78
    assert done.stderr.startswith(said)
    assert all(": got " in line and ", wants " in line for line in done.stderr.splitlines())
    assert "secret-typo" not in done.stderr


def test_a_token_that_telegram_does_not_know(tmp_path: Path, telegram: Telegram) -> None:
    """An unknown token: exit code 78 and one line without the token."""
    need_browser()
    stranger = "9876543210:AAEhBOweik6ad6PsWZRcXjYZ0123456789a"
    done = run_bot(tmp_path, TELEGRAM_BOT_TOKEN=stranger, ADMIN_TELEGRAM_ID="1", TELEGRAM_API_URL=telegram.url)
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1].startswith("TELEGRAM_BOT_TOKEN: got a token that Telegram does not know")
    assert stranger not in done.stderr


@pytest.mark.ordeal
def test_the_room_is_logged_at_the_start(tmp_path: Path, telegram: Telegram) -> None:
    """The start logs how many monitors fit, what is missing for more, and leaves face workers their part."""
    need_browser()
    strangers = {  # the bots end after the start: Telegram does not know them
        name: f"{digit * 10}:AAEhBOweik6ad6PsWZRcXjYZ0123456789x"
        for name, digit in (("TELEGRAM_BOT_TOKEN", "1"), ("TEACHER_BOT_TOKEN", "3"), ("STUDENT_BOT_TOKEN", "4"))
    }
    files = {}
    for engine in ("none", "local"):
        more = {"FACE_ENGINE": engine, "MAX_ACTIVE_MONITORS": "10000", "ADMIN_TELEGRAM_ID": "1"}
        done = run_bot(tmp_path / engine, TELEGRAM_API_URL=telegram.url, **strangers, **more)
        assert done.returncode == 78
        room = re.search(r" room for 10000 monitors; memory for \d+, .*open files for (\d+)", done.stderr)
        assert room, done.stderr
        assert re.search(r" WARNING .*no room for 10000 monitors: memory for \d+, .*: (raise|lift) ", done.stderr)
        files[engine] = int(room[1])
    assert files["none"] > files["local"]


def test_one_process_for_one_data_folder(bot: MarkerProcess, admin: Person, telegram: Telegram) -> None:
    """A second bot on the same DATA_DIR exits with 75 and one line; the first continues."""
    admin.says("/start")
    admin.sees("invitation code")
    second = run_bot(bot.folder, TELEGRAM_BOT_TOKEN=TOKEN, ADMIN_TELEGRAM_ID=str(ADMIN), TELEGRAM_API_URL=telegram.url)
    assert second.returncode == 75
    assert "is in use by another process" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    admin.taps("Admin Panel")
    admin.sees("0 students")


@pytest.mark.ordeal
def test_a_lost_key_is_not_replaced(bot: MarkerProcess, telegram: Telegram) -> None:
    """With students but without their key the bot refuses to start (78) and leaves the data unchanged."""
    bot.seed(2001, USERNAME, PASSWORD)
    key = bot.folder / "secrets" / "encryption.key"
    key.unlink()
    before = (bot.folder / "data" / "students.json").read_bytes()
    settings = {"TELEGRAM_BOT_TOKEN": TOKEN, "ADMIN_TELEGRAM_ID": "1", "TELEGRAM_API_URL": telegram.url}
    refused = run_bot(bot.folder, ENCRYPTION_KEY_FILE=str(key), **settings)
    assert refused.returncode == 78
    assert "restore the key" in refused.stderr
    assert not key.exists()
    other = "c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM="
    wrong = run_bot(bot.folder, ENCRYPTION_KEY=other, **settings)
    assert wrong.returncode == 78
    assert "encrypted with a key that is not among" in wrong.stderr
    assert (bot.folder / "data" / "students.json").read_bytes() == before


@pytest.mark.ordeal
def test_telegram_unreachable_at_the_start(bot: MarkerProcess, telegram: Telegram) -> None:
    """A bot that can't reach Telegram at its start retries; it can be stopped meanwhile, also with its terminal."""
    telegram.call("/faults", method="getMe", kind="502", times=2)
    bot.start()
    admin = Person(telegram, ADMIN, "Admin")
    admin.says("/start")
    admin.sees("invitation code")
    assert bot.stop() == 0
    telegram.call("/faults", method="getMe", kind="502", times=1000)
    bot.start()

    def refused() -> bool:
        calls = [call for call in telegram.get("/calls") if call["method"] == "getMe" and call["status"] == 502]
        return len(calls) > 2

    eventually("a refused call", refused)
    assert bot.stop(number=HANGS_UP) == 0
