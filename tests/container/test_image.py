"""The image as an operator runs it: compose up, healthy, a student marked from inside, not as root.

`CONTAINER_UP` names the command that builds the image and runs docker-compose.yml for so many seconds:
`CONTAINER_UP SECONDS PROJECT_FOLDER`; its containers share this machine's network.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from sandbox.portal import PortalSimulator
from sandbox.telegram import TelegramSimulator
from tests.e2e.people import ADMIN, BOT, TOKEN, Person, Portal, Telegram, code_in, eventually
from tests.servers import ROOT, in_thread, missing

# An image's build may fetch a whole distribution the first time (seconds).
BUILT_WITHIN = 900
UP_FOR = 120
HEALTH = "http://127.0.0.1:8081/healthz"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy what is committed into an empty folder, as an operator's clone.

    Two changes: the container shares this machine's network, on whose loopback the simulators listen, and it is not
    started again when the test ends it.
    """
    folder = tmp_path / "project"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    compose = folder / "docker-compose.yml"
    given = "    restart: unless-stopped\n"
    assert given in compose.read_text()
    compose.write_text(compose.read_text().replace(given, '    restart: "no"\n    network_mode: host\n'))
    return folder


@pytest.fixture
def outside() -> Iterator[tuple[Telegram, Portal]]:
    """Give a Telegram and a portal on this machine."""
    with in_thread(TelegramSimulator().serving()) as telegram_url, in_thread(PortalSimulator().serving()) as portal_url:
        telegram, portal = Telegram(telegram_url), Portal(portal_url)
        telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
        yield telegram, portal
        telegram.http.close()
        portal.http.close()


def healthy() -> bool:
    """Say whether the health page answers that all is well."""
    try:
        return httpx.get(HEALTH, timeout=3, trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.timeout(BUILT_WITHIN + UP_FOR + 120)
def test_compose_up_runs_a_healthy_bot_that_marks_a_student(
    project: Path, outside: tuple[Telegram, Portal], tmp_path: Path
) -> None:
    """One `compose up` gives a healthy bot, not root, whose Chrome marks a student; data stay on the host."""
    command = os.environ.get("CONTAINER_UP")
    if not command or shutil.which(command.split()[0]) is None:
        missing("no container engine: CONTAINER_UP names no command")
    telegram, portal = outside
    (project / ".env").write_text(
        f"TELEGRAM_BOT_TOKEN={TOKEN}\nADMIN_TELEGRAM_ID={ADMIN}\nTELEGRAM_API_URL={telegram.url}\n"
        f"PORTAL_URL={portal.address}\nREFRESH_INTERVAL=3\n"
    )
    log = tmp_path / "compose.log"
    with log.open("wb") as out:
        compose = subprocess.Popen(
            [*str(command).split(), str(UP_FOR), str(project)], stdout=out, stderr=out, start_new_session=True
        )
    try:
        eventually("a healthy bot", lambda: healthy() or compose.poll() is not None, BUILT_WITHIN)
        assert compose.poll() is None, log.read_text(errors="replace")[-3000:]
        portal.has_student("a_student", "Correct-Horse-7")
        admin, student = Person(telegram, ADMIN, "Admin"), Person(telegram, 2001, "Aruzhan")
        admin.says("/start")
        admin.taps("Admin Panel")
        admin.taps("Generate Invitation Code")
        student.says(f"/start {code_in(admin.sees('Invitation code:')['text'])}")
        student.sees("your username on the portal")
        student.says("a_student")
        student.sees("I will delete your message at once")
        student.says("Correct-Horse-7")
        student.taps("Start Monitoring")
        student.sees("Monitoring: on since")
        lesson = portal.opens("Algebra")
        student.sees("Attendance Marked.")
        assert portal.marks() == [(lesson, "a_student")]

        inside = [p for p in psutil.process_iter() if _ours(p)]
        assert inside, "no process of the bot is to be seen"
        assert all(process.uids().effective != 0 for process in inside), "the bot runs as root"
        assert (project / "data" / "students.json").stat().st_uid == inside[0].uids().effective
        assert (project / "secrets" / "encryption.key").exists()
    finally:
        if compose.poll() is None:
            os.killpg(compose.pid, signal.SIGINT)
        compose.wait(120)
        print(log.read_text(errors="replace")[-3000:])


def _ours(process: psutil.Process) -> bool:
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return command == "python bot.py" or "/app/data/profiles" in command
