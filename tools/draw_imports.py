"""Draw which package imports which, as docs/pictures/packages.svg: `python -m tools.draw_imports --write`.

Rows are the layers that `make check` enforces. An arrow that other arrows lead to as well is left out.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "pictures" / "packages.svg"
# The column in which each package stands, so that no arrow crosses another package.
COLUMNS = {
    "attendance": 0.0, "bot": 1.5, "self_check": 1.0, "backup": 2.0, "marker": 1.0, "classroom": 2.0,
    "monitor": 0.4, "lessons": 0.4, "portal": 0.0, "storage": 1.0, "telegram_app": 2.0, "core": 0.5,
}  # fmt: skip
WIDTH, HEIGHT, BOX_WIDTH, BOX_HEIGHT = 170, 62, 124, 32  # of a column and a row; of a box
_STYLE = (
    "rect{fill:#b2dfdb;stroke:#00796b}text{fill:#10302c;font:13px sans-serif;text-anchor:middle}"
    "line{stroke:#888;stroke-width:1.3;marker-end:url(#tip)}#tip path{fill:#888}"
)
_TIP = (
    '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0L8 4L0 8z"/></marker>'
)


def drawing() -> str:
    """Return the picture."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    rows = [row.split(" | ") for row in settings["contracts"][0]["layers"]]
    place = {name: (COLUMNS[name], number) for number, row in enumerate(rows) for name in row}
    width, height = WIDTH * (1 + max(x for x, _ in place.values())), HEIGHT * len(rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">',
        "<title>Which package imports which</title>",
        f"<style>{_STYLE}</style><defs>{_TIP}</defs>",
    ]
    for importer, imported in sorted(reduced(imports(list(place)))):
        (x1, y1), (x2, y2) = _middle(*place[importer]), _middle(*place[imported])
        lines.append(
            f'<line x1="{x1:.0f}" y1="{y1 + BOX_HEIGHT / 2:.0f}" x2="{x2:.0f}" y2="{y2 - BOX_HEIGHT / 2:.0f}"/>'
        )
    for name, at in place.items():
        x, y = _middle(*at)
        box = f'x="{x - BOX_WIDTH / 2:.0f}" y="{y - BOX_HEIGHT / 2:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}"'
        lines.append(f'<rect {box} rx="5"/><text x="{x:.0f}" y="{y + 5:.0f}">{_label(name)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def imports(packages: list[str]) -> set[tuple[str, str]]:
    """Return which of the packages imports which other one."""
    return {
        (package, name)
        for package in packages
        for source in _modules(package)
        for name in _imported(source)
        if name in packages and name != package
    }


def reduced(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the arrows without those whose end is reached by others as well."""
    return {(a, b) for a, b in arrows if not any(b in _reached(arrows, c) for x, c in arrows if x == a and c != b)}


def _reached(arrows: set[tuple[str, str]], start: str) -> set[str]:
    found: set[str] = set()
    left = [start]
    while left:
        new = {b for a, b in arrows if a == left[-1]} - found
        left = [*left[:-1], *new]
        found |= new
    return found


def _middle(column: float, row: int) -> tuple[float, float]:
    return WIDTH * (column + 0.5), HEIGHT * (row + 0.5)


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


if __name__ == "__main__":
    if "--write" in sys.argv:
        PICTURE.write_text(drawing(), encoding="utf-8")
    else:
        print(drawing())
