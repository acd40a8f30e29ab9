"""The sandbox's container, as `docker compose up sandbox` starts it in a clone without .env."""

import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from tests.container.test_image import BUILT_WITHIN, Installation, shown
from tests.e2e.people import eventually
from tests.servers import ROOT

NAME = "attendance-sandbox-under-test"
PORT = "127.0.0.1:8080:8080"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class SandboxInstallation(Installation):
    """A clone without .env, whose sandbox shares this machine's network at a free port."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()

    def clone(self) -> None:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.folder)], check=True)
        file = self.folder / "docker-compose.yml"
        about = yaml.safe_load(file.read_text())
        sandbox = about["services"]["sandbox"]
        assert sandbox.pop("ports") == [PORT]
        command = ["python", "-m", "sandbox", "--host", "0.0.0.0", "--port", str(self.port)]
        sandbox |= {"network_mode": "host", "container_name": NAME, "command": command}
        file.write_text(yaml.safe_dump(about))

    def clean_up(self) -> None:
        super().clean_up()
        subprocess.run([self._engine, "rm", "--force", NAME], capture_output=True, timeout=60, check=False)


@pytest.mark.timeout(BUILT_WITHIN + 600)
def test_sandbox(tmp_path: Path) -> None:
    """It starts nothing else; the page answers, the bot listens, a video note is drawn, and it ends with code 0."""
    installation = SandboxInstallation(tmp_path / "project")
    installation.clone()
    assert not (installation.folder / ".env").exists()
    try:
        # docker compose takes the profile from the service's name; podman-compose has to be told
        installation.compose("--profile", "sandbox", "build", "sandbox", within=BUILT_WITHIN)
        begun = time.monotonic()
        installation.compose("--profile", "sandbox", "up", "-d", "sandbox")
        assert installation.engine("ps", "--filter", f"name={NAME}", "--format", "{{.Names}}").split()[-1] == NAME
        with httpx.Client(base_url=f"http://127.0.0.1:{installation.port}", trust_env=False, timeout=60) as http:
            eventually("the bot", lambda: _state(http) == "running")
            shown("docker compose up sandbox", f"the bot listens after {time.monotonic() - begun:.1f} s")
            person = {"bot": "students_sandbox_bot", "person": 2001}
            assert http.post("/telegram/send", json=person | {"text": "/start"}).is_success
            drawn = http.post("/api/notes/send", json=person | {"name": "right"})
            assert drawn.is_success, drawn.text
        installation.engine("stop", "--time", "40", NAME)
        code = installation.engine("inspect", "--format", "{{.State.ExitCode}}", NAME).strip()
        assert code == "0", installation.engine("logs", "--tail", "30", NAME)
    finally:
        installation.clean_up()


def _state(http: httpx.Client) -> str:
    try:
        return str(http.get("/api/bot").json()["state"])
    except (httpx.HTTPError, ValueError):
        return ""
