"""A real Selenium Grid for tests: a hub and nodes on this machine, each of which can be killed and started again."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx

from portal.driver import sandbox_possible
from portal.processes import end_processes
from tests import children
from tests.bot_process import free_port
from tests.e2e.people import eventually
from tests.servers import ROOT, missing, need_browser

RUN = ROOT / "tests" / "selenium_grid" / "run"
SHELL = "/usr/lib/chromium/chromium-headless-shell"
MISSING = 69  # the exit code of ``run``


class Grid:
    """The hub; ``user`` and ``password`` are asked for if given. The options are those of docs/grid.md."""

    def __init__(self, folder: Path, user: str = "", password: str = "") -> None:
        need_browser()
        built = children.run([str(RUN), "--build-only"], timeout=600)
        if built.returncode == MISSING:
            missing(built.stderr.strip())
        assert built.returncode == 0, built.stderr
        self._folder = folder
        self._ports = [free_port() for _ in range(3)]
        self._auth = (user, password) if user else None
        self._hub: subprocess.Popen[bytes] | None = None
        self._nodes: dict[int, subprocess.Popen[bytes]] = {}
        self.http = httpx.Client(auth=self._auth, trust_env=False, timeout=30)
        host = f"127.0.0.1:{self._ports[0]}"
        self.url = f"http://{host}"
        self.address = f"http://{user}:{password}@{host}" if user else self.url
        self.start_hub()

    def start_hub(self) -> None:
        """Start the hub and wait until it answers."""
        named = ["--username", self._auth[0], "--password", self._auth[1]] if self._auth is not None else []
        options = ["--healthcheck-interval", "10", "--session-request-timeout", "50", *named]
        self._hub = self._start("hub", self._ports[0], options)
        eventually("the hub", lambda: self.slots() is not None)

    def start_node(self, places: int) -> int:
        """Start a node with so many places and wait until the hub knows it; return its port."""
        before, port = self.slots() or 0, free_port()
        program = SHELL if Path(SHELL).exists() else shutil.which("chromium-headless-shell") or shutil.which("chromium")
        arguments = [] if sandbox_possible() else ["--no-sandbox", "--no-zygote"]
        stereotype = {"browserName": "chrome", "goog:chromeOptions": {"binary": program, "args": arguments}}
        options = ["--bind-host", "true", "--max-sessions", str(places), "--override-max-sessions", "true"]
        options += ["--detect-drivers", "false", "--selenium-manager", "false", "--session-timeout", "60"]
        options += ["--heartbeat-period", "5", "--driver-configuration", "display-name=chrome"]
        options += [f"webdriver-executable={shutil.which('chromedriver')}", f"max-sessions={places}"]
        options += [f"stereotype={json.dumps(stereotype)}"]
        self._nodes[port] = self._start("node", port, options)
        eventually("the node", lambda: (self.slots() or 0) == before + places)
        return port

    def kill_hub(self) -> None:
        assert self._hub is not None
        children.end(self._hub)

    def kill_node(self, port: int) -> None:
        """Kill a node with its Chromes, as when its machine is switched off."""
        node = self._nodes.pop(port)
        end_processes(node.pid, None)
        children.end(node)

    def slots(self) -> int | None:
        """Return the hub's places; None if it does not answer."""
        return self._number("totalSlots")

    def sessions(self) -> int | None:
        """Return how many Chromes run by the hub's account; None if it does not answer."""
        return self._number("sessionCount")

    def log(self) -> str:
        return "".join(file.read_text(errors="replace") for file in sorted(self._folder.glob("grid-*.log")))

    def end(self) -> None:
        self.http.close()
        for port in list(self._nodes):
            self.kill_node(port)
        if self._hub is not None:
            children.end(self._hub)

    def _number(self, name: str) -> int | None:
        try:
            answer = self.http.post(f"{self.url}/graphql", json={"query": f"{{ grid {{ {name} }} }}"})
            return int(answer.json()["data"]["grid"][name])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    def _start(self, part: str, port: int, options: list[str]) -> "subprocess.Popen[bytes]":
        bus = [f"tcp://127.0.0.1:{each}" for each in self._ports[1:]]
        command = [str(RUN), part, "--host", "127.0.0.1", "--port", str(port)]
        command += ["--publish-events", bus[0], "--subscribe-events", bus[1], *options]
        children.own_profiles(self._folder)
        with (self._folder / f"grid-{part}-{port}.log").open("ab") as log:
            environment = {"ATTENDANCE_PROFILE": str(self._folder)}
            return children.start(command, env=_environment() | environment, stdout=log, stderr=log)


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "LANG") if name in os.environ}
