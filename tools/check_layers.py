"""Checks the layers in pyproject.toml with import-linter: `python tools/check_layers.py`.

import-linter supports only packages, while bot.py, monitor.py and others are single modules. They are passed as
packages of that name, with the module as `__init__.py`.
"""

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(root: Path = ROOT) -> int:
    """Check the project in ``root``; return import-linter's exit code."""
    config = root / "pyproject.toml"
    packages = tomllib.loads(config.read_text(encoding="utf-8"))["tool"]["importlinter"]["root_packages"]
    with tempfile.TemporaryDirectory() as folder:
        for name in packages:
            module = root / f"{name}.py"
            if module.exists():
                (Path(folder) / name).mkdir()
                (Path(folder) / name / "__init__.py").symlink_to(module)
            else:
                (Path(folder) / name).symlink_to(root / name)
        linter = Path(sys.executable).with_name("lint-imports")
        return subprocess.run(
            [linter, "--config", config, "--no-cache"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": folder},
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
