"""Holds the layers of pyproject.toml against the code, with import-linter.

import-linter reads packages, while bot.py, monitor.py and their neighbours are modules at the top level. So this
writes a package of the same shape into a temporary folder, each file reduced to its imports on their own lines, and
lets import-linter judge that: `python tools/check_layers.py`.
"""

import ast
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "attendance_project"


def main(root: Path = ROOT) -> int:
    """Check the project in ``root``; return import-linter's exit code."""
    rules = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    ours = set(rules["root_packages"])
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / PACKAGE
        package.mkdir()
        (package / "__init__.py").touch()
        for source in _sources(root, ours):
            target = package / source.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(imports_alone(source.read_text(encoding="utf-8"), ours), encoding="utf-8")
        config = Path(folder) / ".importlinter"
        config.write_text(_config(rules), encoding="utf-8")
        linter = Path(sys.executable).with_name("lint-imports")
        run = subprocess.run(
            [linter, "--config", config, "--no-cache"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": folder},
            check=False,
        )
    return run.returncode


def _sources(root: Path, ours: set[str]) -> list[Path]:
    files: list[Path] = []
    for name in sorted(ours):
        files += [root / f"{name}.py"] if (root / f"{name}.py").exists() else sorted((root / name).rglob("*.py"))
    return files


def imports_alone(code: str, ours: set[str]) -> str:
    """Return a module's imports of ours, each on its own line, as imports within the package."""
    lines = [""] * (code.count("\n") + 1)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ours:
            names = ", ".join(alias.name for alias in node.names)
            lines[node.lineno - 1] = f"from {PACKAGE}.{node.module} import {names}"
        elif isinstance(node, ast.Import):
            named = [alias.name for alias in node.names if alias.name.split(".")[0] in ours]
            if named:
                lines[node.lineno - 1] = "; ".join(f"import {PACKAGE}.{name}" for name in named)
    return "\n".join(lines)


def _config(rules: dict[str, object]) -> str:
    contracts = rules["contracts"]
    assert isinstance(contracts, list)  # noqa: S101  # a table in our own file
    text = [f"[importlinter]\nroot_package = {PACKAGE}\n"]
    for number, contract in enumerate(contracts):
        text.append(f"[importlinter:contract:{number}]")
        for key, value in contract.items():
            if isinstance(value, list):
                value = "\n" + "\n".join("    " + _within(each) for each in value)
            text.append(f"{key} = {value}")
    return "\n".join(text) + "\n"


def _within(layer: str) -> str:
    return " | ".join(f"{PACKAGE}.{name.strip()}" for name in layer.split("|"))


if __name__ == "__main__":
    sys.exit(main())
