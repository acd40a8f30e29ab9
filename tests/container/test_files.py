"""docker-compose.yml and the seccomp profile, as far as they can be checked without an engine."""

import json
import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.servers import ROOT

pytestmark = pytest.mark.unit

# Of the kernel: what could change it, the machine or other processes.
DANGEROUS = {"mount", "umount2", "move_mount", "pivot_root", "setns", "init_module", "finit_module", "kexec_load"} | {
    "bpf",
    "ptrace",
    "process_vm_readv",
    "perf_event_open",
    "keyctl",
    "add_key",
    "open_by_handle_at",
    "reboot",
    "swapon",
    "settimeofday",
    "clock_settime",
    "io_uring_setup",
    "userfaultfd",
}
OF_CHROME = {"clone", "clone3", "unshare", "chroot", "seccomp", "prctl"}


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][name]
    return found


def test_rights() -> None:
    """The root file system is read-only, only the entry point's capabilities are there, and no port is published."""
    bot = service("autoscraper")
    assert bot["read_only"] is True
    assert {each.split(":")[0] for each in bot["tmpfs"]} == {"/tmp", "/run", "/home/attendance"}
    assert bot["cap_drop"] == ["ALL"]
    assert sorted(bot["cap_add"]) == ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]
    assert bot["security_opt"] == ["no-new-privileges", "seccomp=docker/seccomp.json"]
    assert not {"ports", "privileged", "devices", "pid", "ipc", "network_mode"} & bot.keys()


def test_mongo_has_a_password() -> None:
    """MongoDB demands a password, and is reached inside the compose network only."""
    mongo = service("mongo")
    assert mongo["command"] == ["mongod", "--auth"]
    assert mongo["environment"]["MONGO_INITDB_ROOT_PASSWORD"] == "${MONGO_PASSWORD:-}"
    assert "ports" not in mongo


def test_seccomp() -> None:
    """System calls are refused unless listed; those of Chrome's sandbox are listed, dangerous ones are not."""
    profile = json.loads((ROOT / "docker" / "seccomp.json").read_text())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {each["action"] for each in profile["syscalls"]} == {"SCMP_ACT_ALLOW"}
    allowed = {name for each in profile["syscalls"] for name in each["names"]}
    assert allowed >= OF_CHROME
    assert not allowed & DANGEROUS
    assert {each["architecture"] for each in profile["archMap"]} == {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"}


def test_the_grid_is_reached_inside_the_compose_network_only() -> None:
    """Hub and node publish no port, the hub asks for a password, and each option of docs/grid.md is set."""
    hub, node = service("hub"), service("node")
    assert hub["profiles"] == node["profiles"] == ["grid"]
    assert hub["environment"]["SE_ROUTER_PASSWORD"] == "${GRID_PASSWORD:-}"
    for each in (hub, node):
        assert not {"ports", "privileged", "network_mode"} & each.keys()
        assert each["security_opt"] == ["no-new-privileges"]
    recipe = (ROOT / "docs" / "grid.md").read_text()
    named = set(re.findall(r"`(SE_\w+)`", recipe))
    assert named
    assert named <= hub["environment"].keys() | node["environment"].keys()
    assert hub["environment"]["SE_HEALTHCHECK_INTERVAL"] in re.findall(r"--healthcheck-interval (\d+)", recipe)
    assert node["environment"]["SE_NODE_SESSION_TIMEOUT"] in re.findall(r"--session-timeout (\d+)", recipe)


def test_commands_run_as_the_owner_of_the_data() -> None:
    """The documents' commands inside the container go through the entry point: who owns ./data is known only there."""
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for command in re.findall(r"docker compose exec [^`\n]*autoscraper ([\w./]+)", document.read_text()):
            assert command in ("check", "./entrypoint.sh"), document.name


def test_sandbox_is_reached_from_this_machine_only() -> None:
    """It needs no .env, starts only if it is named, is published on the loopback address, and has no rights."""
    sandbox = service("sandbox")
    assert sandbox["profiles"] == ["sandbox"]
    assert sandbox["ports"] == ["127.0.0.1:8080:8080"]
    assert (sandbox["read_only"], sandbox["cap_drop"]) == (True, ["ALL"])
    assert not {"env_file", "volumes", "cap_add", "privileged", "depends_on"} & sandbox.keys()
    assert service("autoscraper")["env_file"] == [{"path": ".env", "required": False}]


def test_targets() -> None:
    """Without a target the bot is built; only the sandbox's target has the simulators."""
    stages = re.split(r"(?m)^FROM ", (ROOT / "Dockerfile").read_text())[1:]
    names = [stage.split("\n")[0].rpartition(" AS ")[2] for stage in stages]
    assert names == ["files", "bot", "sandbox", "bot"]
    assert [name for name, stage in zip(names, stages, strict=True) if "--from=files /sandbox" in stage] == ["sandbox"]
    assert service("autoscraper")["build"]["target"] == "bot"
