"""The documents' commands, each page's in their order in a copy of the project, against the simulators."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from core.encryption import open_cipher
from storage import Storage
from tests import children
from tests.bot_process import free_port
from tests.children import ROOT
from tests.classroom.running import STUDENT_TOKEN, TEACHER_TOKEN
from tests.docs.documents import DOCUMENTS, Block, label, shell_blocks, text_of
from tests.e2e.people import ADMIN, BOT, TOKEN, Portal, Telegram, eventually
from tests.servers import need_browser
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.ordeal]

SKIPPED = {".git", ".venv", ".hypothesis", "build", "data", "secrets", "mongo", "target", ".env", ".env.local"}
PASSED_ON = ("PATH", "HOME", "LANG", "CHROME_BIN", "CHROMEDRIVER_PATH", "SSL_CERT_FILE")
WITHOUT_TOKEN = ("README.md", "docs/sandbox.md", "docs/development.md", "docs/rehearsal.md")  # begin at nothing
PORTS = {"README.md": [8080], "docs/sandbox.md": [8080], "docs/development.md": [8091, 8092]}
STUDENT = 2001
PAGES = [document for document in DOCUMENTS if any(block.is_run for block in shell_blocks(document))]


class Reader:
    """Somebody who types a page's commands, in a copy of the project."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = environment
        self._running: list[subprocess.Popen[bytes]] = []
        self.outputs: list[str] = []

    def runs(self, block: Block) -> None:
        """Run a block's commands to their end, or until they have printed the text that its comment names."""
        if block.stops:
            self.stops()
        where = f"{label(block.document)}, line {block.line}"
        log = self.folder.parent / f"{block.document.stem}-{block.line}.log"
        with log.open("wb") as output:
            command = ["bash", "-euo", "pipefail", "-c", f"cd '{self.folder}'\n{block.commands}"]
            process = children.start(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._running.append(process)

        def printed() -> str:
            return log.read_text(encoding="utf-8", errors="replace")

        if block.detail:
            has_ended = eventually(where, lambda: block.detail in printed() or process.poll() is not None)
            assert has_ended, where
            assert block.detail in printed(), f"{where}:\n{printed()}"
        else:
            code = process.wait(PATIENCE)
            self._running.remove(process)
            assert code == 0, f"{where}:\n{printed()}"
        self.outputs.append(printed())

    def stops(self) -> None:
        """Press Ctrl+C in every terminal, and wait until nothing is left of what ran there."""
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        for process in self._running:
            process.wait(PATIENCE)
        self._running.clear()

    def ends(self) -> None:
        for process in self._running:
            children.end(process)
        for browser in children.browsers(self.folder.parent):
            children.kill(browser)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone of the project as it is on the disk, with the installed packages."""
    origin, clone = tmp_path / "origin", tmp_path / "attendance"
    shutil.copytree(ROOT, origin, ignore=lambda _folder, names: [each for each in names if ignored(each)])
    settings = "user.name=Test", "user.email=test@example.org", "commit.gpgsign=false"
    git = ["git", "-C", str(origin), *(each for setting in settings for each in ("-c", setting))]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "All"], ["clone", "-q", ".", str(clone)]):
        done = children.run([*git, *arguments], PATIENCE)
        assert done.returncode == 0, done.stderr
    (clone / ".venv").symlink_to((ROOT / ".venv").resolve())
    return clone


def ignored(name: str) -> bool:
    """Say whether it is no file of the project's; other workers may be writing and removing such ones."""
    return name in SKIPPED or name.startswith(".coverage") or name.endswith(("_cache", "__pycache__", ".pyc"))


@pytest.fixture
def environment(telegram_url: str, simulated_portal_url: str) -> Iterator[dict[str, str]]:
    """The settings of a bot against the simulators."""
    telegram, portal = Telegram(telegram_url), Portal(simulated_portal_url)
    telegram.call("/reset")
    portal.reset()
    for token, name in ((TOKEN, BOT), (TEACHER_TOKEN, "teachers_test_bot"), (STUDENT_TOKEN, "students_test_bot")):
        telegram.call("/bots", token=token, username=name, name=name)
    yield {
        "TELEGRAM_API_URL": telegram.url,
        "PORTAL_URL": portal.address,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "ADMIN_TELEGRAM_ID": str(ADMIN),
        "HEALTH_PORT": str(free_port()),
    }
    telegram.http.close()
    portal.close()


@pytest.fixture
def its_ports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The ports that the page names; another worker may be at a page that names the same ones, and ends first."""
    page = label(request.getfixturevalue("page"))
    with contextlib.ExitStack() as held:
        for port in PORTS.get(page, []):
            held.enter_context(FileLock(tmp_path_factory.getbasetemp().parent / f"port-{port}.lock"))
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    pytest.skip(f"port {port}, which {page} names, is in use")
        yield


@pytest.fixture
def reader(
    request: pytest.FixtureRequest, project: Path, environment: dict[str, str], its_ports: None
) -> Iterator[Reader]:
    """A reader of the page that is the test's parameter."""
    need_browser()
    page = label(request.getfixturevalue("page"))
    settings = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if page == "docs/rosters.md":
        environment = {"TELEGRAM_API_URL": environment["TELEGRAM_API_URL"]}
        environment |= {"TEACHER_BOT_TOKEN": TEACHER_TOKEN, "STUDENT_BOT_TOKEN": STUDENT_TOKEN}
    if page not in WITHOUT_TOKEN:
        settings |= environment
        shutil.copy(project / ".env.example", project / ".env")
    children.own_profiles(project.parent)
    reader = Reader(project, settings)
    try:
        yield reader
    finally:
        reader.ends()


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_the_commands_of_a_page(page: Path, reader: Reader) -> None:
    """Each command of the page that can run here does what the page says, in its order, and ends with 0."""
    registered = page.name == "operation.md" and seed(reader.folder)
    for block in shell_blocks(page):
        if block.is_run:
            reader.runs(block)
    reader.stops()
    assert not children.browsers(reader.folder.parent)
    if registered:
        restored = reader.folder.parent / "restored" / "data" / "students.json"
        for file in (restored, reader.folder / "data" / "students.json"):
            assert json.loads(file.read_text(encoding="utf-8"))[str(STUDENT)]["username"] == "a_student"
        fields = re.findall(r"^\{.*\}$", "\n".join(reader.outputs), re.MULTILINE)
        documented = set(re.findall(r"`(\w+)`", text_of(ROOT / "docs" / "health.md")))
        assert fields
        assert json.loads(fields[0]).keys() <= documented


def seed(folder: Path) -> bool:
    """Register a student, whom a backup has to bring back."""
    cipher = open_cipher(None, folder / "secrets" / "encryption.key", may_create=True)
    storage = Storage(folder / "data", cipher)
    storage.redeem(storage.create_invitation(ADMIN), STUDENT, "a_student", "Correct-Horse-7")
    return True
