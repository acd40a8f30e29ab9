"""Draw which package imports which, as a Mermaid flowchart: `python tools/draw_imports.py`.

CONTRIBUTING.md holds the drawing between two comments; `python tools/draw_imports.py --write` renews it there.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- imports: begin -->\n", "<!-- imports: end -->"


def drawing() -> str:
    """Return the flowchart."""
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    packages = [name for name in layers["root_packages"] if name != "sandbox"]
    arrows = {
        (package, name)
        for package in packages
        for source in _modules(package)
        for name in _imported(source)
        if name in packages and name != package
    }
    lines = ["```mermaid", "flowchart TD"]
    lines += [f"    {name}[{_label(name)}]" for name in packages]
    lines += [f"    {importer} --> {imported}" for importer, imported in sorted(arrows)]
    return "\n".join([*lines, "```", ""])


def _label(package: str) -> str:
    return f"{package}.py" if (ROOT / f"{package}.py").exists() else f"{package}/"


def _modules(package: str) -> list[Path]:
    module = ROOT / f"{package}.py"
    return [module] if module.exists() else sorted((ROOT / package).rglob("*.py"))


def _imported(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)


def renewed(text: str) -> str:
    """Return the document's text with today's drawing."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + drawing() + END + rest.split(END)[1]


if __name__ == "__main__":
    if "--write" in sys.argv:
        DOCUMENT.write_text(renewed(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(drawing())
