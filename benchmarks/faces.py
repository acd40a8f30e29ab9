"""Speed of a face check on one core, and its accuracy: `python -m benchmarks.faces [--notes N] [--out FILE]`

Notes are rendered and encoded beforehand, each one different (look, noise, position), so that nothing can be cached.
For comparison the same run has a plain check: the detector at double size on every fifth picture. If FACES names a
folder of photographs (two of each person: name.jpg, name2.jpg) the table of accuracy includes them.
"""

import argparse
import io
import itertools
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.measure import machine, spread
from classroom.domain.face_policy import SAME_PERSON, Motion, percent
from classroom.faces import challenge, examining, models
from classroom.faces.calibrate import RATES_AT, rates
from classroom.faces.tracking import track
from sandbox.video_notes import Look, bent, drawn, encoded, flat, head, turned
from tests.media.notes import ADMIRAL, ASTRONAUT, face, jpeg, portrait

CHALLENGES = list(itertools.permutations(["left", "right", "up"], 2))
LOOKS = {
    "as it is": Look(),
    "dark": Look(brightness=0.5, contrast=0.8, noise=4, crf=30),
    "very dark": Look(brightness=0.35, contrast=0.7, noise=5, crf=32),
    "small (eyes 46 pixels apart)": Look(eyes=0.12),
    "compressed (crf 38)": Look(crf=38),
    "blurred": Look(blur=1.8),
}
LOOKS["held aslant by 15 degrees"] = Look()
ASLANT = {"held aslant by 15 degrees": 15.0}
PHOTOGRAPHS = {"flat": flat, "bent": bent(0.4), "bent the other way": bent(0.4, 90), "bent aslant": bent(0.4, 45)}


def main() -> int:
    """Run and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=int, default=30, help="notes for the timing")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    examining.prepare()
    lines = [
        "# A face check",
        "",
        f"{machine()}; one process on one core.",
        "",
        *times(arguments.notes),
        "",
        *accuracy(),
    ]
    report = "\n".join(lines) + "\n"
    print(report)
    if arguments.out:
        arguments.out.write_text(report, encoding="utf-8")
    return 0


def times(count: int) -> list[str]:
    """Time the steps of our check, and the plain check."""
    print(f"rendering {count} notes", file=sys.stderr)
    notes = []
    for number in range(count):
        name, asked = (ASTRONAUT, ADMIRAL)[number % 2], CHALLENGES[number % len(CHALLENGES)]
        look = Look(brightness=1 - 0.01 * number, seed=number, eyes=0.17 + 0.002 * (number % 30))
        poses = turned(asked, degrees=22 + number % 8)
        notes.append((encoded(drawn(face(name), poses, head, look)), [Motion(word) for word in asked], name))
    templates = {name: examining.template_of(jpeg(portrait(name))) for name in (ASTRONAUT, ADMIRAL)}
    alone, match, plain, steps = [], [], [], dict[str, list[float]]()
    passed = 0
    for note, motions, name in notes:
        started = time.perf_counter()
        examining.check_challenge(note, motions)
        alone.append(1000 * (time.perf_counter() - started))
        started = time.perf_counter()
        found = examining.examine(note, motions, templates[name], 70.0)
        match.append(1000 * (time.perf_counter() - started))
        passed += found.problem is None and (found.percent or 0) >= 70
        for step, seconds in (found.seconds or {}).items():
            steps.setdefault(step, []).append(1000 * seconds)
        started = time.perf_counter()
        plain_check(note, templates[name])
        plain.append(1000 * (time.perf_counter() - started))
    seconds = len(turned(CHALLENGES[0])) / 30
    return [
        f"{count} notes of {seconds:.1f} s, 384 pixels; {passed} of them passed. Milliseconds:",
        "",
        "| | median | 95 % | least to most |",
        "|---|---|---|---|",
        *(
            row(name, values)
            for name, values in [
                ("challenge and match, template known (limit 300)", match),
                ("challenge alone (limit 300)", alone),
                *((f"of it: {step}", values) for step, values in steps.items()),
                ("plain check, without a challenge", plain),
            ]
        ),
    ]


def row(name: str, values: list[float]) -> str:
    """Return a row of the table."""
    ordered = sorted(values)
    late = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"| {name} | {np.median(values):.0f} | {late:.0f} | {ordered[0]:.0f} to {ordered[-1]:.0f} |"


def plain_check(note: bytes, template: bytes) -> float | None:
    """The frozen baseline without tracking: detect at double size and describe every fifth picture."""
    capture = cv2.VideoCapture(io.BytesIO(note), cv2.CAP_FFMPEG, [])  # type: ignore[call-overload]
    wanted, distances, number = np.frombuffer(template, dtype=np.float64), [], 0
    while True:
        read, picture = capture.read()
        if not read:
            break
        number += 1
        if number % 5:
            continue
        rgb = np.ascontiguousarray(np.asarray(picture, dtype=np.uint8)[:, :, ::-1])
        for box in models.detect(rgb, doubled=1)[:1]:
            distances.append(float(np.linalg.norm(models.describe(models.chip(rgb, box)) - wanted)))
    return float(np.median(distances)) if distances else None


def people() -> dict[str, tuple[str, bytes]]:
    """Return for each person the recorded portrait and the ID photo."""
    found = {name: (name, jpeg(portrait(name), 60)) for name in (ASTRONAUT, ADMIRAL)}
    folder = os.environ.get("FACES", "")
    for file in sorted(Path(folder).glob("*2.jpg")) if folder else []:
        found[file.stem[:-1]] = (file.name, file.with_name(f"{file.stem[:-1]}.jpg").read_bytes())
    return found


def accuracy() -> list[str]:
    """Compare recordings of all people in all looks with all ID photos, and test held-up photographs."""
    known = people()
    templates = {person: examining.template_of(photo) for person, (_shown, photo) in known.items()}
    lines = [
        f"## Accuracy: {len(known)} people; distances, and what passes at 70 %",
        "",
        "Recorded from one photograph and compared with a second one of the person (or with the same one, compressed)."
        " The match is counted for all recordings, also if the motions were not recognised.",
        "",
        "| recording | motions recognised | own photograph: distance | passed | others': distance | passed |",
        "|---|---|---|---|---|---|",
    ]
    for name, look in LOOKS.items():
        print(name, file=sys.stderr)
        done = total = 0
        own: list[float] = []
        other: list[float] = []
        for person, (shown, _photo) in known.items():
            for asked in CHALLENGES[:3]:
                poses = [replace(pose, roll=pose.roll + ASLANT.get(name, 0)) for pose in turned(asked)]
                note = encoded(drawn(face(shown), poses, head, look), look.crf)
                done += examining.check_challenge(note, [Motion(each) for each in asked]).problem is None
                total += 1
                parts = examining.compared(tracked := track(note), challenge.moves(tracked.seen))
                described = [examining._described(view) for view in (parts or [[]])[0][: examining.PICTURES]]
                for whose, template in templates.items():
                    wanted = np.frombuffer(template, dtype=np.float64)
                    if described:
                        distance = float(np.median([np.linalg.norm(each - wanted) for each in described]))
                        (own if whose == person else other).append(distance)
        missed, let_in = rates(own, other, RATES_AT)
        lines.append(
            f"| {name} | {done} of {total} | {spread(own)} | {len(own) - round(missed * len(own))} of {len(own)}"
            f" | {spread(other)} | {round(let_in * len(other))} of {len(other)} |"
        )
    held = [
        (name, sum(_passes(shown, asked, surface) for shown, _ in known.values() for asked in CHALLENGES))
        for name, surface in PHOTOGRAPHS.items()
    ]
    tried = len(known) * len(CHALLENGES)
    return [
        *lines,
        "",
        f"Photographs held up and turned by 35 degrees as asked, {tried} of each: "
        + ", ".join(f"{name} {passed} passed" for name, passed in held)
        + f". ({SAME_PERSON} is {percent(SAME_PERSON):.0f} %.)",
    ]


def _passes(shown: str, asked: tuple[str, str], surface: object) -> bool:
    note = encoded(drawn(face(shown), turned(asked, degrees=35), surface))  # type: ignore[arg-type]
    return examining.check_challenge(note, [Motion(each) for each in asked]).problem is None


if __name__ == "__main__":
    sys.exit(main())
