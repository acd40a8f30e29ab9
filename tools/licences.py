"""The licences of all pinned packages, as listed in NOTICE: `python -m tools.licences [--write]`.

Read from the packages' own metadata. Without --write it fails if a package is missing in NOTICE, or listed with
another licence than it has.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "Packages (python -m tools.licences --write):\n", "End of the packages.\n"
_LINE = re.compile(r"- (\S+): (.+)")


def pinned(requirements: str) -> list[str]:
    """Return the names of the packages that a requirements file pins."""
    return re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==", requirements, re.MULTILINE)


def licence_of(package: str) -> str | None:
    """Return the licence in a package's metadata; None if it is not installed, as those of other platforms."""
    try:
        about = metadata(package)
    except PackageNotFoundError:
        return None
    written = (about["License-Expression"] or about["License"] or "").strip().split("\n")[0]
    classified = [each.split(" :: ")[-1] for each in about.get_all("Classifier") or [] if each.startswith("License ::")]
    if written in ("", "Dual License", "BSD"):  # the classifiers say more
        return " or ".join(classified) or written or "unknown"
    return written


def listed(notice: str) -> dict[str, str]:
    """Return the licences in NOTICE by package."""
    return dict(_LINE.findall(notice[notice.index(BEGIN) : notice.index(END)]))


def mistakes(notice: str, requirements: str) -> list[str]:
    """Return what is wrong in NOTICE, a line for each package."""
    there, wanted = listed(notice), pinned(requirements)
    lines = [f"{name}: in NOTICE, but not pinned" for name in there if name not in wanted]
    for name in wanted:
        licence = licence_of(name)
        if name not in there:
            lines.append(f"{name}: not in NOTICE ({licence or 'not installed here'})")
        elif licence not in (None, there[name]):
            lines.append(f"{name}: NOTICE says {there[name]}, the package {licence}")
    return lines


def main() -> int:
    notice, requirements = ROOT / "NOTICE", (ROOT / "requirements.txt").read_text()
    text = notice.read_text(encoding="utf-8")
    if "--write" in sys.argv:
        there = listed(text)
        lines = [f"- {name}: {licence_of(name) or there.get(name, 'unknown')}\n" for name in pinned(requirements)]
        text = text[: text.index(BEGIN)] + BEGIN + "".join(lines) + text[text.index(END) :]
        notice.write_text(text, encoding="utf-8")
    found = mistakes(text, requirements)
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
