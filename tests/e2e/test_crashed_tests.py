"""A killed test run leaves no bot, Chrome or server running."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from tests import children
from tests.e2e.people import Portal, Telegram, eventually
from tests.servers import need_browser

pytestmark = [pytest.mark.browser, pytest.mark.ordeal]

# The killed test has a bot with a watching Chrome, a Chrome of its own, and a Java server.
TEST = """
import os, signal, time
from pathlib import Path
from tests.bot_process import MarkerProcess
from tests.e2e.people import Portal, Telegram, eventually
from tests.portal.browsers import chromes
from tests.servers import vaadin_portal

def test_killed(tmp_path):
    bot = MarkerProcess(tmp_path, Telegram(os.environ["TELEGRAM"]), Portal(os.environ["PORTAL"]))
    bot.seed(2001, "a_student", "Correct-Horse-7", monitoring=True)
    bot.start()
    eventually("a Chrome of the bot's", lambda: "monitor 2001: watching" in bot.log())
    chromes(tmp_path / "own").open("7", time.sleep)
    with vaadin_portal():
        Path(os.environ["READY"]).touch()
        signal.pause()
"""


@pytest.mark.parametrize("portal", ["simulated"], indirect=True)
@pytest.mark.vaadin
def test_killed_run(tmp_path: Path, telegram: Telegram, portal: Portal) -> None:
    """After `kill -9` of pytest during a test its bot, Chromes and servers end."""
    need_browser()
    portal.has_student("a_student", "Correct-Horse-7")
    file, ready, log = tmp_path / "test_killed.py", tmp_path / "ready", tmp_path / "log"
    file.write_text(TEST)
    environment = {**os.environ, "TELEGRAM": telegram.url, "PORTAL": portal.url, "READY": str(ready)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "of the run")]
    with log.open("wb") as output:
        run = children.start([*command, str(file)], env=environment, stdout=output, stderr=output)
    children.own_profiles(tmp_path)
    try:
        eventually("the test", lambda: ready.exists() or run.poll() is not None)
        assert ready.exists(), log.read_text()
        started = psutil.Process(run.pid).children(recursive=True)
        names = {name for name in ("bot.py", "chromedriver", "java") for each in started if named(each, name)}
        assert names == {"bot.py", "chromedriver", "java"}
        assert len(children.browsers(tmp_path)) > 3
        run.kill()
        run.wait()
        eventually("the end of all", lambda: not any(map(is_alive, started)) and not children.browsers(tmp_path))
    finally:
        children.end(run)


def named(process: psutil.Process, name: str) -> bool:
    """Return whether a process runs this program."""
    return any(name in Path(argument).name for argument in children.command_of(process)[:2])


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
