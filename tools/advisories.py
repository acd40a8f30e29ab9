"""Looks up known vulnerabilities of the pinned packages in the OSV database: `python -m tools.advisories`.

Prints them and returns 1 if there are any; where the database can't be reached one line says that nothing was checked.
An advisory that does not concern this program is accepted by its line, with the reason, in ACCEPTED.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

DATABASE = "https://api.osv.dev/v1/querybatch"
FILES = ("requirements.txt", "requirements-sandbox.txt", "requirements-dev.txt")
ACCEPTED: dict[str, str] = {}  # advisory: why it does not concern this program

Ask = Callable[[dict[str, Any]], Any]


def ask_database(queries: dict[str, Any]) -> Any:
    return httpx.post(DATABASE, json=queries, timeout=30).raise_for_status().json()


def pins(requirements: str) -> list[tuple[str, str]]:
    """Return name and version of each pinned package."""
    return re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^\s;]+)", requirements, re.MULTILINE)


def look_up(packages: list[tuple[str, str]], ask: Ask) -> list[str]:
    """Return a line for each advisory about a package."""
    queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in packages]
    results = ask({"queries": queries})["results"]
    return [
        f"{name} {version}: {found['id']}"
        for (name, version), result in zip(packages, results, strict=True)
        for found in result.get("vulns", [])
        if found["id"] not in ACCEPTED
    ]


def main(ask: Ask = ask_database) -> int:
    root = Path(__file__).resolve().parent.parent
    packages = sorted({pin for file in FILES for pin in pins((root / file).read_text())})
    try:
        found = look_up(packages, ask)
    except (httpx.HTTPError, ValueError, KeyError) as error:
        print(f"advisories: not checked, the database can't be reached ({type(error).__name__})")
        return 0
    print(*found, f"advisories: {len(packages)} packages looked up, {len(found)} advisories", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
