"""The container image as an operator uses it: build, up, healthy, a student marked, stop, down, and up again.

`CONTAINER_ENGINE` (podman or docker) and `CONTAINER_COMPOSE` (podman-compose, or "docker compose") name the tools;
`docker/try-without-docker` installs them if needed. The container shares this machine's network, since the simulators
listen on its loopback.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.portal.server import PortalSimulator
from sandbox.telegram.server import TelegramSimulator
from tests import children
from tests.e2e.people import ADMIN, BOT, TOKEN, Person, Portal, Telegram, code_in, eventually
from tests.servers import ROOT, in_thread, missing

BUILT_WITHIN = 1800  # seconds; the first build may download a whole distribution
HEALTHY_WITHIN = 90
GIVEN_NAME = "kbtu-attendance"  # of the container, in docker-compose.yml
NAME = "attendance-under-test"  # used instead, so that a bot running on this machine is not affected
SERVICE = "autoscraper"
USERNAME, PASSWORD = "a_student", "Correct-Horse-7"
MEMORY, PROCESSES = 4 * 2**30, 16384  # the limits in docker-compose.yml
OPERATOR = 4242  # a user of the host
# The entry point's: CHOWN, DAC_OVERRIDE, FOWNER, SETGID, SETUID.
ALLOWED = sum(1 << number for number in (0, 1, 3, 6, 7))


class Installation:
    """A clone of the project in its own folder, and the commands of an operator."""

    def __init__(self, folder: Path) -> None:
        engine, compose = os.environ.get("CONTAINER_ENGINE"), os.environ.get("CONTAINER_COMPOSE", "").split()
        if not engine or shutil.which(engine) is None or not compose:
            missing("no container engine: CONTAINER_ENGINE names none; docker/try-without-docker brings one")
        self.folder = folder
        self._engine, self._compose = str(engine), compose

    def clone(self) -> None:
        """Clone the repository, and set host network and another container name in docker-compose.yml."""
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.folder)], check=True)
        file = self.folder / "docker-compose.yml"
        given = "    restart: unless-stopped\n"
        text = file.read_text()
        assert given in text
        assert text.count(GIVEN_NAME) == 1
        file.write_text(text.replace(given, given + "    network_mode: host\n").replace(GIVEN_NAME, NAME))

    def compose(self, *command: str, within: float = 120) -> str:
        """Run a `docker compose` command; returns its output."""
        return self._run([*self._compose, *command], within)

    def engine(self, *command: str, within: float = 60) -> str:
        """Run a command of the container engine; returns its output."""
        return self._run([self._engine, *command], within)

    def is_healthy(self) -> bool:
        """Run the image's own health check in the container."""
        if "podman" in self._engine:
            return self._succeeds([self._engine, "healthcheck", "run", NAME])
        asked = [self._engine, "inspect", "--format", "{{.State.Health.Status}}", NAME]
        return "healthy" in subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()

    def up(self) -> float:
        """Start the container; returns the seconds until it was healthy."""
        begun = time.monotonic()
        self.compose("up", "-d", within=BUILT_WITHIN)
        eventually("a healthy bot", self.is_healthy, HEALTHY_WITHIN)
        return time.monotonic() - begun

    def clean_up(self) -> None:
        """Remove the container, whatever happened."""
        subprocess.run([*self._compose, "down"], cwd=self.folder, capture_output=True, timeout=120, check=False)
        subprocess.run([self._engine, "rm", "--force", NAME], capture_output=True, timeout=60, check=False)

    def _run(self, command: list[str], within: float) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}"
        return done.stdout

    def _succeeds(self, command: list[str]) -> bool:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


@pytest.fixture
def outside() -> Iterator[tuple[Telegram, Portal]]:
    """The simulators on this machine."""
    with in_thread(TelegramSimulator().serving()) as telegram_url, in_thread(PortalSimulator().serving()) as portal_url:
        telegram, portal = Telegram(telegram_url), Portal(portal_url)
        telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
        portal.has_student(USERNAME, PASSWORD)
        yield telegram, portal
        telegram.http.close()
        portal.http.close()


@pytest.fixture
def installation(tmp_path: Path, outside: tuple[Telegram, Portal]) -> Iterator[Installation]:
    """A clone with a filled-in .env; its container is removed afterwards."""
    telegram, portal = outside
    installation = Installation(tmp_path / "project")
    installation.clone()
    (installation.folder / ".env").write_text(
        f"TELEGRAM_BOT_TOKEN={TOKEN}\nADMIN_TELEGRAM_ID={ADMIN}\nTELEGRAM_API_URL={telegram.url}\n"
        f"PORTAL_URL={portal.address}\nREFRESH_INTERVAL=3\n"
    )
    try:
        yield installation
    finally:
        installation.clean_up()


@pytest.mark.timeout(BUILT_WITHIN + 600)
def test_image(installation: Installation, outside: tuple[Telegram, Portal]) -> None:
    """Build, up, a mark, checks, stop, down, up: monitoring continues, nothing is lost or sent twice."""
    telegram, portal = outside
    begun = time.monotonic()
    installation.compose("build", within=BUILT_WITHIN)
    shown("built", f"{time.monotonic() - begun:.0f} s")
    shown("up and healthy", f"{installation.up():.1f} s")
    shown("image", *layers(installation))

    student = registered(telegram)
    first = portal.opens("Algebra")
    student.sees("Attendance Marked.")
    assert portal.marks() == [(first, USERNAME)]
    shown("a student registered, watched and marked")

    check_from_outside(installation)
    table = installation.compose("exec", "-T", SERVICE, "check")
    assert "FAILED" not in table
    shown("docker compose exec autoscraper check", *table.strip().splitlines())
    ready = "from classroom.faces import examining; examining.prepare(); print('loaded')"
    models = installation.compose("exec", "-T", SERVICE, "gosu", "attendance", "python", "-c", ready)
    assert models.strip() == "loaded"
    shown("the face models: loaded")

    begun = time.monotonic()
    installation.compose("stop")
    took = time.monotonic() - begun
    assert inside(installation.folder) == []
    code = installation.engine("inspect", "--format", "{{.State.ExitCode}}", NAME).strip()
    assert code == "0", installation.engine("logs", "--tail", "30", NAME)
    shown("stopped", f"{took:.1f} s, exit code 0, no process left")

    installation.compose("down")
    portal.closes(first)
    shown("down, and up and healthy again", f"{installation.up():.1f} s")
    second = portal.opens("Biology", time="Л2 (10:00 - 11:00)")
    student.sees("Marked.\nBiology")
    assert portal.marks() == [(first, USERNAME), (second, USERNAME)]
    assert [student.counts(subject) for subject in ("Marked.\nAlgebra", "Marked.\nBiology")] == [1, 1]
    shown("monitoring continues from the data on the host, each mark reported once")

    installation.compose("down")
    assert inside(installation.folder) == []
    belongs_to_the_operator(installation)


def belongs_to_the_operator(installation: Installation) -> None:
    """Folders that belong to a person of the host make the bot run as that person, who can add rosters."""
    for folder in ("data", "secrets"):
        os.chown(installation.folder / folder, OPERATOR, OPERATOR)
    installation.up()
    data = installation.folder / "data"
    assert {user_of(process) for process in inside(installation.folder)} == {OPERATOR}
    assert {file.lstat().st_uid for file in data.rglob("*")} == {OPERATOR}
    installation.compose("exec", "-T", SERVICE, "check")
    # the folder is entered as root, since those above it are the test's own
    added = ["touch", "added.csv", "students.json"]
    subprocess.run(added, cwd=data, check=True, user=OPERATOR, group=OPERATOR, extra_groups=[])
    installation.compose("down")
    shown("the folders given to another user of the host", f"everything runs as uid {OPERATOR}, who can add files")


def registered(telegram: Telegram) -> Person:
    """Register a student with a code, and start monitoring."""
    admin, student = Person(telegram, ADMIN, "Admin"), Person(telegram, 2001, "Aruzhan")
    admin.says("/start")
    admin.taps("Admin Panel")
    admin.taps("Generate Invitation Code")
    student.says(f"/start {code_in(admin.sees('Invitation code:')['text'])}")
    student.sees("your username on the portal")
    student.says(USERNAME)
    student.sees("I will delete your message at once")
    student.says(PASSWORD)
    student.taps("Start Monitoring")
    student.sees("Monitoring: on since")
    return student


def check_from_outside(installation: Installation) -> None:
    """Check users, files and limits from outside the container."""
    processes = inside(installation.folder)
    assert any("/app/data/profiles" in " ".join(children.command_of(process)) for process in processes), (
        "no Chrome found"
    )
    users = {user for user in map(user_of, processes) if user is not None}
    assert len(users) == 1
    assert 0 not in users
    (user,) = users
    for file in ("data/students.json", "data/invitations.json", "data/ledger.sqlite3", "secrets/encryption.key"):
        found = (installation.folder / file).stat()
        assert (found.st_uid, oct(found.st_mode & 0o777)) == (user, "0o600"), file
    shown("not root", f"{len(processes)} processes and all files of uid {user}; files 0600")
    # Chrome's sandbox has capabilities in a user namespace of its own, which are none outside of it
    (own_users,) = {Path(f"/proc/{each.pid}/ns/user").readlink() for each in processes if "python" in each.name()}
    for process in processes:
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        if Path(f"/proc/{process.pid}/ns/user").readlink() == own_users:
            assert [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0, 0, 0, 0], process
            assert int(status["CapBnd"], 16) & ~ALLOWED == 0, process
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), process
    shown("no capability, no new privileges, system calls filtered")
    for folder, writable in (("/app", False), ("/usr/local/bin", False), ("/etc", False), ("/tmp", True)):
        tried = f"touch {folder}/tried 2>/dev/null && echo written || echo refused"
        answer = installation.compose("exec", "-T", SERVICE, "sh", "-c", tried)
        assert answer.strip() == ("written" if writable else "refused"), folder
    shown("the image's files can't be changed, /tmp can")
    pid = int(installation.engine("inspect", "--format", "{{.State.Pid}}", NAME))
    for what, wanted, limit in (
        ("memory", MEMORY, cgroup_limit(pid, "memory", "memory.limit_in_bytes", "memory.max")),
        ("pids", PROCESSES, cgroup_limit(pid, "pids", "pids.max", "pids.max")),
    ):
        if limit is None:
            shown(f"limit of {what}", "not readable here: the engine could not set it, or it is in another cgroup")
        else:
            assert limit == wanted, what
            shown(f"limit of {what}", f"{limit}, in force")


def cgroup_limit(pid: int, controller: str, file_v1: str, file_v2: str) -> int | None:
    """Return a limit of a process's cgroup; None if it can't be read."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = Path("/sys/fs/cgroup") / (controller if controllers else "")
        try:
            return int((top / path.lstrip("/") / (file_v1 if controllers else file_v2)).read_text())
        except (OSError, ValueError):
            continue
    return None


def layers(installation: Installation) -> list[str]:
    """Return the image's size and its layers of more than 1 MB."""
    image = installation.engine("inspect", "--format", "{{.Image}}", NAME).strip()
    size = int(installation.engine("image", "inspect", "--format", "{{.Size}}", image))
    history = installation.engine("history", "--format", "{{.Size}}\t{{.CreatedBy}}", image)
    parts = [" ".join(line.split())[:100] for line in history.splitlines() if line.split()[1] in ("MB", "GB")]
    return [f"{size / 1e6:.0f} MB in all", *parts]


def user_of(process: psutil.Process) -> int | None:
    """Return the user that a process runs as; None if it has ended meanwhile."""
    try:
        return int(process.uids().effective)
    except psutil.Error:
        return None


def inside(folder: Path) -> list[psutil.Process]:
    """Return the processes of the bot in the container and its Chromes, found by their data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if command != "python bot.py" and "/app/data/profiles" not in command:
                continue
            if Path(f"/proc/{process.pid}/root/app/data/lock").samefile(folder / "data" / "lock"):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # ended meanwhile, or another container's
    return found


def shown(what: str, *details: str) -> None:
    """Print what was checked, and the measured values."""
    print(f"{what}: {details[0]}" if len(details) == 1 else what)
    if len(details) > 1:
        print("".join(f"    {detail}\n" for detail in details), end="")
