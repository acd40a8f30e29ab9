"""``python -m classroom.faces.examine VIDEO...``: examine recordings as the check-in does, one JSON line for each."""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from classroom.domain.face_policy import Motion
from classroom.faces import challenge, examining, matching
from classroom.faces.tracking import track
from classroom.faces.video import NoVideo

_HELP = """
Each line has the file, the pictures of the video that were looked at, the rest position (yaw and pitch in degrees),
every movement that reached the angle of a motion, the motions that count, the pictures for comparing (seconds), why the
note would be refused, and milliseconds of CPU. Of a movement: start and end in seconds, angle in degrees, size (the
angle by the one needed), parallax (by the mesh, the sine of the turn), share (the parallax by the pictures, divided by
the angle's sine: 0.4 or more for a head, nearly 0 for a photograph), alike (how well the pictures agree), has_depth
(whether the movement counts).

Left and right are the person's own in a picture that is not mirrored. With --asked the line also says whether the note
answers that challenge; mirrored motions do, too. Without it "why not" leaves the motions out. A file that can't be read
has "error" instead. The exit code is 0, also then; 2 for wrong arguments.
"""


def examined(path: Path, asked: Sequence[Motion] | None) -> dict[str, Any]:
    """Return what the check-in finds in a recording."""
    try:
        note = path.read_bytes()
        started = time.process_time()
        tracked = track(note)
    except (OSError, NoVideo) as error:
        return {"file": str(path), "error": getattr(error, "strerror", None) or str(error)}
    made = challenge.moves(tracked.seen)
    seen = challenge.motions(made)
    problem = challenge.problem(tracked, made, seen if asked is None else asked)
    used = examining.compared(tracked, made)
    milliseconds = 1000 * (time.process_time() - started)
    moves = [_rounded(asdict(move)) for move in made]
    found: dict[str, Any] = {
        "file": str(path),
        "pictures": tracked.pictures,
        "looked for a face": tracked.tracked,
        "without a face": tracked.lost,
        "rest": [round(float(each), 1) for each in challenge.rest(tracked.seen)] if tracked.seen else None,
        "moves": moves,
        "seen": seen,
        "compared": [[round(view.at, 2) for view in part[: matching.PICTURES]] for part in used],
        "why not": problem,
        "milliseconds": round(milliseconds, 1),
    }
    return found if asked is None else {**found, "asked": list(asked), "passes": problem is None}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return round(value, 2) if isinstance(value, float) else value


def _motions(words: str) -> list[Motion]:
    return [Motion(word.strip()) for word in words.split(",")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each file."""
    parser = argparse.ArgumentParser(
        prog="python -m classroom.faces.examine",
        description=__doc__,
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("videos", metavar="VIDEO", nargs="+", type=Path)
    parser.add_argument("--asked", type=_motions, help="the motions of a challenge, such as left,up", default=None)
    given = parser.parse_args(arguments)
    examining.prepare()
    for path in given.videos:
        print(json.dumps(examined(path, given.asked)), flush=True)


if __name__ == "__main__":
    main()
