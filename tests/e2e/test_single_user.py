"""SINGLE_USER: the real bot for one person alone."""

import pytest

from tests.bot_process import MarkerProcess
from tests.e2e.people import ADMIN, Person, Portal, Telegram, labels
from tests.e2e.test_operator import checked

USERNAME, PASSWORD = "a_student", "Correct-Horse-7"

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("portal", ["simulated"], indirect=True)]


@pytest.mark.ordeal
def test_monitoring_starts_by_itself(telegram: Telegram, portal: Portal, bot: MarkerProcess) -> None:
    """A corrected password is taken over and lessons are marked without a tap; a stop survives a restart."""
    portal.has_student(USERNAME, PASSWORD)
    me = Person(telegram, ADMIN, "Me")
    me.says("/start")
    bot.environment |= {"SINGLE_USER": "1", "KBTU_USERNAME": USERNAME, "KBTU_PASSWORD": "mistyped"}
    bot.start()
    assert "correct KBTU_USERNAME or KBTU_PASSWORD" in me.sees("The portal refused the sign-in")["text"]
    assert len(portal.events("refused")) == 1
    assert bot.stop() == 0

    bot.environment["KBTU_PASSWORD"] = PASSWORD
    bot.start()
    lesson = portal.opens("Algebra")
    me.sees(f"[{USERNAME}] Attendance Marked.\nAlgebra")
    assert portal.marks() == [(lesson, USERNAME)]
    stranger = Person(telegram, 2001, "Stranger")
    stranger.says("/start")
    stranger.sees("This bot works for one person only.")
    me.says("/start")
    me.taps("Stop Monitoring")
    me.sees("Monitoring: off")
    assert bot.stop() == 0
    for file in (bot.folder / "data").glob("*.json*"):
        assert PASSWORD not in file.read_text(encoding="utf-8")

    bot.start()
    me.says("/start")
    menu = me.waits("the menu", lambda ms: "Start Monitoring" in labels(ms[-1]) and ms[-1])
    assert labels(menu) == ["Start Monitoring", "Switch to Manual", "Status"]
    assert bot.browsers() == []
    assert PASSWORD not in bot.log()


@pytest.mark.ordeal
def test_what_it_can_not_run_with(portal: Portal, bot: MarkerProcess) -> None:
    """Two admins, no account, or other students in the data are refused with one line each; nobody is deleted."""
    alone = {"SINGLE_USER": "1", "KBTU_USERNAME": USERNAME, "KBTU_PASSWORD": PASSWORD}
    for settings, line in (
        ({"ADMIN_TELEGRAM_ID": "1,2"}, "ADMIN_TELEGRAM_ID: got 2 IDs, wants exactly one, since SINGLE_USER is on"),
        ({"KBTU_PASSWORD": ""}, "KBTU_PASSWORD: got nothing, wants the password on the portal"),
    ):
        run = bot.runs(**alone | settings)
        assert (run.returncode, run.stderr.startswith(line), run.stderr.count("\n")) == (78, True, 1), run.stderr
    bot.seed(2001, "b_student", "secret")
    before = {file.name: file.read_bytes() for file in (bot.folder / "data").glob("*.json")}
    refusal = "SINGLE_USER: got 1 and 1 other students in DATA_DIR, wants another DATA_DIR, or them removed"
    run = bot.runs(**alone)
    assert (run.returncode, run.stderr.splitlines()[-1]) == (78, refusal)
    _code, lines, _said = checked(bot, **alone)
    assert lines["storage"] == ("FAILED", refusal)
    assert lines["settings"][1].endswith("for a_student alone")
    assert before == {file.name: file.read_bytes() for file in (bot.folder / "data").glob("*.json")}
