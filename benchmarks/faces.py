"""Speed of a face check, beside the engine of 2026-11-21: `python -m benchmarks.faces [--notes N] [--out FILE]`

Both engines examine the same notes in one run, with their default settings. The old engine is taken from the history
of the repository (`FROZEN`); where that, or its packages (dlib-bin, face_recognition_models, pebble), is missing, its
column says so. Notes are rendered beforehand, each one different; real recordings are added from the folder FACE_CLIPS.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.class_media import PEOPLE, Media
from benchmarks.measure import machine, percentile, spread
from tests.media.notes import jpeg, portrait
from tests.servers import ROOT

FROZEN = "b127505"  # the last commit with the old engine
LIMIT, GOAL = 250, 150  # milliseconds of a core
OLD_CHALLENGES = [("left", "up"), ("up", "left"), ("left", "right")]  # in these both engines can pass


def main() -> int:
    """Run and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=int, default=40)
    parser.add_argument("--media", type=Path, default=ROOT / "build" / "class_media")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    media = Media(arguments.media, arguments.notes)
    print("rendering missing notes", file=sys.stderr)
    media.make(OLD_CHALLENGES)
    with tempfile.TemporaryDirectory() as name:
        folder, old = Path(name) / "notes", Path(name) / "old"
        drawn = prepared(folder, media, arguments.notes)
        clips = real(folder)
        trees = {"now": ROOT, f"old ({FROZEN})": frozen(old)}
        columns = {
            f"{when}, {kind}": measured(tree, folder, asked)
            for kind, asked in (("drawn", drawn), ("real", clips))
            if asked
            for when, tree in trees.items()
        }
    report = table(columns, len(drawn), len(clips))
    print(report)
    if arguments.out:
        arguments.out.write_text(report, encoding="utf-8")
    return 0


def prepared(folder: Path, media: Media, count: int) -> list[dict[str, Any]]:
    """Write the notes and photographs; return what each note shows."""
    folder.mkdir()
    for person in PEOPLE:
        (folder / f"{person}.jpg").write_bytes(jpeg(portrait(person)))
    asked = []
    for number in range(count):
        motions = OLD_CHALLENGES[number % len(OLD_CHALLENGES)]
        (folder / f"{number}.mp4").write_bytes(media.note(number, motions))
        asked.append({"note": f"{number}.mp4", "motions": motions, "photo": f"{PEOPLE[number % len(PEOPLE)]}.jpg"})
    return asked


def real(folder: Path) -> list[dict[str, Any]]:
    """Return the recordings in FACE_CLIPS; most stop at the challenge, whatever they show."""
    clips = sorted(Path(os.environ["FACE_CLIPS"]).glob("*.mp4")) if os.environ.get("FACE_CLIPS") else []
    return [{"note": str(clip), "motions": ["left", "up"], "photo": f"{PEOPLE[0]}.jpg"} for clip in clips]


def frozen(folder: Path) -> Path | None:
    """Write the tree with the old engine; None without the history."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", FROZEN], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        return None
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def measured(tree: Path | None, folder: Path, asked: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the driver prints in a tree."""
    if tree is None:
        return {"error": "not in the history"}
    (folder / "notes.json").write_text(json.dumps(asked), encoding="utf-8")
    command = [sys.executable, "-P", str(ROOT / "benchmarks" / "face_driver.py"), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:200]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(columns: dict[str, dict[str, Any]], drawn: int, clips: int) -> str:
    """Return the report."""
    rows: dict[str, list[str]] = {
        f"challenge and match, ms of a core, median (limit {LIMIT}, goal {GOAL})": [],
        "95 %": [],
        "passed the challenge": [],
        "workers by default": [],
        "notes a second": [],
    }
    for found in columns.values():
        values = found.get("checks", [])
        cells = (
            [found["error"], "", "", "", ""]
            if "error" in found
            else [
                f"{percentile(values, 0.5):.0f}",
                f"{percentile(values, 0.95):.0f}",
                f"{found['passed']} of {len(values)}",
                str(found["workers"]),
                f"{found['notes a second']:.2f}",
            ]
        )
        for row, cell in zip(rows.values(), cells, strict=True):
            row.append(cell)
    steps = [
        f"- {name}: " + "; ".join(f"{step} {spread(values, 0)}" for step, values in found["steps"].items())
        for name, found in columns.items()
        if "steps" in found
    ]
    return "\n".join(
        [
            f"# A face check: {drawn} drawn notes, {clips} real recordings",
            "",
            f"{machine()}; load before the run {os.getloadavg()[0]:.1f}; `python -m benchmarks.faces`",
            "",
            "| | " + " | ".join(columns) + " |",
            "|---" * (len(columns) + 1) + "|",
            *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()),
            "",
            "Steps, ms of time:",
            "",
            *steps,
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
