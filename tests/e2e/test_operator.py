"""The operator's tools: `bot.py --check` and /healthz."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from portal.certificates import ADD_COMMAND
from portal.driver import PAIR, find_programs
from tests.bot_process import MarkerProcess
from tests.e2e.people import ADMIN, Person, Portal, Telegram, eventually
from tests.servers import need_browser
from tests.tls import ISSUER, without_its_issuer
from tests.waiting import PATIENCE


def checked(bot: MarkerProcess, **settings: str) -> tuple[int, dict[str, tuple[str, str]], str]:
    """Run the check with a bot's settings; return its exit code, its lines by name, and all its output."""
    run = bot.runs("--check", **settings)
    lines = [re.split(r"\s{2,}", line, maxsplit=2) for line in run.stdout.splitlines()]
    return run.returncode, {line[0]: (line[1], line[2]) for line in lines}, run.stdout + run.stderr


@pytest.mark.parametrize("portal", ["simulated"], indirect=True)
@pytest.mark.ordeal
def test_check_beside_the_running_bot(telegram: Telegram, portal: Portal, bot: MarkerProcess) -> None:
    """Beside a running bot the check passes, changes nothing, and shows no secret."""
    need_browser()
    Person(telegram, ADMIN, "Admin").says("/start")
    bot.seed(2001, "a_student", "Correct-Horse-7")
    bot.start()
    eventually("the bot", lambda: "is ready" in bot.log())
    before = {file: file.read_bytes() for file in (bot.folder / "data").glob("*.json*")}
    code, lines, said = checked(bot)
    assert code == 0, said
    assert {what: state for what, (state, _detail) in lines.items() if state == "FAILED"} == {}
    assert "students: 1, codes: 1; writable; in use by a running bot" in lines["storage"][1]
    assert lines["key"][0] == "ok"
    assert "the login form" in lines["portal"][1]
    assert bot.environment["TELEGRAM_BOT_TOKEN"] not in said
    assert before == {file: file.read_bytes() for file in (bot.folder / "data").glob("*.json*")}
    assert bot.stop() == 0


@pytest.mark.parametrize("portal", ["simulated"], indirect=True)
def test_check_before_the_first_start(telegram: Telegram, portal: Portal, bot: MarkerProcess, tmp_path: Path) -> None:
    """Before the first start the check reports a wrong token and a missing portal, and creates no files."""
    telegram.call("/bots", token="7" * 10 + ":" + "A" * 35, username="other_bot", name="Other")
    data = tmp_path / "elsewhere"
    code, lines, said = checked(
        bot,
        DATA_DIR=str(data),
        ENCRYPTION_KEY_FILE=str(tmp_path / "no" / "key"),
        TELEGRAM_BOT_TOKEN="9" * 10 + ":" + "B" * 35,
        PORTAL_URL="http://127.0.0.1:9/RegistrationOnline",
    )
    assert code != 0, said
    assert lines["Telegram"][0] == "FAILED"
    assert "@BotFather" in lines["Telegram"][1]
    assert lines["portal"][0] == "FAILED"
    assert lines["storage"][0] == lines["database"][0] == lines["key"][0] == "ok"
    assert not data.exists()
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("portal", ["simulated"], indirect=True)
@pytest.mark.ordeal
def test_check_names_a_missing_certificate(portal: Portal, bot: MarkerProcess, tmp_path: Path) -> None:
    """A portal without its issuer's certificate fails the check with the issuer's name and the command that adds it."""
    need_browser()
    with without_its_issuer(tmp_path) as address:
        code, lines, said = checked(bot, PORTAL_URL=address)
    assert code != 0, said
    state, detail = lines["portal"]
    assert state == "FAILED"
    assert f"the certificate of '{ISSUER}' is missing (net::ERR_CERT_AUTHORITY_INVALID)" in detail
    assert ADD_COMMAND in detail
    assert lines["Chrome"][0] != "FAILED"


@pytest.mark.parametrize("portal", ["simulated"], indirect=True)
@pytest.mark.ordeal
def test_check_names_a_driver_of_another_version(portal: Portal, bot: MarkerProcess, tmp_path: Path) -> None:
    """A chromedriver that does not fit Chrome fails the check with both versions and what to install."""
    need_browser()
    chrome, driver = tmp_path / "chromium", tmp_path / "chromedriver"
    for program, version in ((chrome, "Chromium 131.0.6778.85 built"), (driver, "ChromeDriver 114.0.5735.90 (386bc0)")):
        program.write_text(f"#!/bin/sh\necho '{version}'\n", encoding="utf-8")
        program.chmod(0o755)
    code, lines, said = checked(bot, CHROME_BIN=str(chrome), CHROMEDRIVER_PATH=str(driver))
    assert code != 0, said
    assert lines["Chrome"] == ("FAILED", f"{chrome} is version 131, but ChromeDriver 114.0.5735.90: {PAIR}")
    assert lines["portal"][0] == "FAILED"


@pytest.mark.parametrize("portal", ["simulated"], indirect=True)
@pytest.mark.ordeal
def test_health_says_what_is_wrong(telegram: Telegram, portal: Portal, bot: MarkerProcess, tmp_path: Path) -> None:
    """/healthz is 200 while the bot works, lists its problems, and is 503 when the bot can't write."""
    for name in ("a_student", "b_student"):
        portal.has_student(name, "Correct-Horse-7")
    bot.seed(2001, "a_student", "Correct-Horse-7", monitoring=True)
    bot.seed(2002, "b_student", "Correct-Horse-7", monitoring=True)
    bot.seed(2003, "c_student", "Correct-Horse-7")
    # a symlink that the test can remove
    installed = find_programs()[0]
    chrome = tmp_path / Path(installed).name
    chrome.symlink_to(installed)
    bot.environment |= {"HEALTH_PORT": str(bot.port), "MAX_ACTIVE_MONITORS": "1", "CHROME_BIN": str(chrome)}
    bot.start()

    def health() -> Any:
        try:
            return httpx.get(f"http://127.0.0.1:{bot.port}/healthz", timeout=PATIENCE, trust_env=False)
        except httpx.HTTPError:
            return None

    waits = "1 monitors wait for a place"
    answer = eventually(waits, lambda: (got := health()) and got.status_code == 200 and waits in got.text and got)
    assert answer.json()["status"] == "degraded"
    assert answer.json()["room"]["narrowest"] in ("memory", "processes and threads", "open files")
    assert "a_student" not in answer.text
    assert "Chrome" not in answer.text
    eventually("the monitor's Chrome", lambda: "monitor 2001: watching" in bot.log())
    chrome.unlink()
    answer = health()
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert "Chrome is missing: install it" in answer.json()["problems"]
    file = bot.folder / "data" / "students.json"
    kept = file.read_bytes()
    file.unlink()
    (file / "in the way").mkdir(parents=True)  # a folder can't be replaced by the written file
    person = Person(telegram, 2003, "C")
    person.says("/start")
    person.taps("Switch to Manual")
    answer = eventually("503", lambda: (got := health()) and got.status_code == 503 and got)
    assert any("can't be written" in problem for problem in answer.json()["problems"])
    (file / "in the way").rmdir()
    file.rmdir()
    file.write_bytes(kept)
    person.taps("Switch to Manual")
    eventually("200", lambda: (got := health()) and got.status_code == 200)
    assert bot.stop() == 0
