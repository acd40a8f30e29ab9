"""Tries the face check with people who agreed to it: `python -m classroom.faces.record FOLDER [--plan]`

FOLDER has a folder for each person, best named p1, p2, ...: `id.jpg`, the ID photo, and round videos named by what they
show. `left-up.mp4` (or `left-up-dim.mp4`: any words may follow) answers the challenge "left, then up"; `still.mp4` and
`talking.mp4` show a head that makes no motion; `attack-left-up.mp4` is an attempt to get through, for example with a
photograph. The code of the check-in checks each video and compares it with everybody's ID photo. It prints a table and
writes a JSON line for each video to FOLDER/results.jsonl. `--plan` prints what each person records. Nothing is sent.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from classroom.domain.face_policy import Examined, Motion, challenges
from classroom.faces import PhotoUnusable, examining
from classroom.faces.rates import Rate

THRESHOLD = 70.0  # percent: FACE_MATCH_THRESHOLD's default
TURNS = (Motion.LEFT, Motion.RIGHT)
STILL = ("still", "talking")
_TABLE = "{:12} {:26} {:10} {:18} {:>6} {:>6}"


class Checks(Protocol):
    """The check-in's examination, as in ``examining``."""

    def prepare(self) -> None: ...
    def template_of(self, photo: bytes) -> bytes: ...
    def check_challenge(self, note: bytes, motions: Sequence[Motion]) -> Examined: ...
    def examine(self, note: bytes, motions: Sequence[Motion], template: bytes) -> Examined: ...


@dataclass(frozen=True)
class Result:
    """What the check says about a video. Similarities are in percent; None: not compared."""

    person: str
    video: str
    kind: str  # "challenge", "still" or "attack"
    asked: tuple[str, ...]
    seen: tuple[str, ...]
    problem: str | None  # None: passed
    own: float | None = None
    others: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        alike = (self.own, max(self.others.values(), default=None))
        result = self.problem or "passed" if self.kind != "still" else "motion" if self.seen else "still"
        shown = ("-" if each is None else f"{each:.1f}" for each in alike)
        return _TABLE.format(self.person, self.video, result, " ".join(self.seen) or "none", *shown)


def plan() -> list[str]:
    """Return the names of the videos that each person records: all challenges of two motions, and two without one."""
    return ["-".join(motions) for motions in challenges(2)] + list(STILL)


def what_it_shows(name: str) -> tuple[str, tuple[Motion, ...]]:
    """Return the kind and the motions that a video's name tells; no kind if it tells no motion."""
    words = name.split("-")
    if words[0] in STILL:
        return "still", ()
    kind = words.pop(0) if words[0] == "attack" else "challenge"
    motions = tuple(map(Motion, itertools.takewhile(set(Motion).__contains__, words)))
    return (kind, motions) if motions else ("", ())


def results(folder: Path, checks: Checks) -> Iterator[Result]:
    """Check every video, and compare it with every ID photo."""
    templates = dict(_templates(folder, checks))
    for video in sorted(folder.glob("*/*.mp4")):
        person, (kind, asked), note = video.parent.name, what_it_shows(video.stem), video.read_bytes()
        if not kind:
            print(f"skipped: {person}/{video.name}: its name tells no motion", file=sys.stderr)
            continue
        found = checks.check_challenge(note, asked or TURNS)
        alike: dict[str, float] = {}
        if found.problem is None and kind == "challenge":
            for other, template in templates.items():
                compared = checks.examine(note, asked, template)
                found = compared if compared.problem is not None else found
                alike |= {} if compared.percent is None else {other: round(compared.percent, 1)}
        yield Result(person, video.name, kind, asked, found.seen, found.problem, alike.pop(person, None), alike)


def _templates(folder: Path, checks: Checks) -> Iterator[tuple[str, bytes]]:
    for photo in sorted(folder.glob("*/id.*")):
        try:
            yield photo.parent.name, checks.template_of(photo.read_bytes())
        except PhotoUnusable as error:
            print(f"{photo} can't be used: {error}", file=sys.stderr)


def summary(tried: Sequence[Result], threshold: float = THRESHOLD) -> str:
    """Return the trial's figures, each with its 95 % interval."""
    passed = {kind: [each.problem is None for each in tried if each.kind == kind] for kind in ("challenge", "attack")}
    figures = {
        "challenges passed": passed["challenge"],
        "still or talking, but a motion was seen": [bool(each.seen) for each in tried if each.kind == "still"],
        "attacks that passed": passed["attack"],
        f"own ID photo {threshold:g} % alike or more": [
            each.own >= threshold for each in tried if each.own is not None
        ],
        f"pairs of two people {threshold:g} % alike or more": [each >= threshold for each in _pairs(tried)],
    }
    return "\n".join(_counted(what, found) for what, found in figures.items())


def _pairs(tried: Iterable[Result]) -> Iterable[float]:
    """Return the highest similarity of each pair of people: one person's videos are not independent of each other."""
    found = ((frozenset((each.person, other)), alike) for each in tried for other, alike in each.others.items())
    return dict(sorted(found, key=lambda pair: pair[1])).values()


def _counted(what: str, found: Sequence[bool]) -> str:
    rate = Rate(sum(found), len(found))
    low, high = rate.interval
    share = f", {100 * rate.share:.1f} % ({100 * low:.1f} to {100 * high:.1f})" if found else ""
    return f"{what}: {rate.found} of {rate.tried}{share}"


def main(arguments: Sequence[str] | None = None, checks: Checks = examining) -> int:
    """Check a trial's videos; return 1 if there are none."""
    parser = argparse.ArgumentParser(prog="python -m classroom.faces.record", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plan", action="store_true", help="print the files that each person should have")
    given = parser.parse_args(arguments)
    if given.plan:
        print("\n".join(["id.jpg", *(f"{name}.mp4" for name in plan())]))
        return 0
    checks.prepare()
    tried: list[Result] = []
    print(_TABLE.format("person", "video", "result", "motions seen", "own", "others"))
    with (given.folder / "results.jsonl").open("w", encoding="utf-8") as lines:
        for result in results(given.folder, checks):
            print(result, flush=True)
            lines.write(json.dumps(asdict(result)) + "\n")
            tried.append(result)
    print(summary(tried))
    return 0 if tried else 1


if __name__ == "__main__":
    sys.exit(main())
