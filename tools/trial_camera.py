"""Records the videos of a trial of the face check with a camera: `python -m tools.trial_camera FOLDER/PERSON`

For people without a phone at hand; see "A trial before faces decide anything" in docs/faces.md. It asks for one video
after the other (those of `python -m classroom.faces.record FOLDER --plan`), records it square and without sound when
Enter is pressed, and leaves out what exists. Not tried with a real camera yet.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from classroom.faces.record import plan
from sandbox.video_notes import RATE, SIZE, Picture, encoded

SECONDS = 7.0

Read = Callable[[], tuple[bool, Picture]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Record what is missing; return 1 if the camera can't be opened."""
    parser = argparse.ArgumentParser(prog="python -m tools.trial_camera", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--camera", type=int, default=0, help="the camera's number")
    given = parser.parse_args(arguments)
    camera = cv2.VideoCapture(given.camera)
    if not camera.isOpened():
        print(f"camera {given.camera} can't be opened", file=sys.stderr)
        return 1
    try:
        record(given.folder, plan(), camera.read)  # type: ignore[arg-type]
    finally:
        camera.release()
    return 0


def record(
    folder: Path,
    names: Iterable[str],
    read: Read,
    ask: Callable[[str], str] = input,
    seconds: float = SECONDS,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Record each video that does not exist yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / f"{name}.mp4"
        if path.exists() or ask(f"{name.replace('-', ', then ')}: Enter records {seconds:g} s, s skips it ") == "s":
            continue
        started = now()
        taken = [(now() - started, square(picture)) for picture in _until(started + seconds, read, now)]
        if taken:
            path.write_bytes(encoded(_evenly(taken)))


def _until(end: float, read: Read, now: Callable[[], float]) -> Iterator[Picture]:
    while now() < end:
        succeeded, picture = read()
        if not succeeded:
            return
        yield picture


def _evenly(taken: Sequence[tuple[float, Picture]]) -> list[Picture]:
    """Return the pictures at the video's rate, whatever the camera's was."""
    times = np.array([at for at, _picture in taken])
    wanted = np.arange(times[0], times[-1] + 1e-6, 1 / RATE)
    return [taken[each][1] for each in np.searchsorted(times, wanted, side="right") - 1]


def square(picture: Picture) -> Picture:
    """Return the middle of a picture as a square, as large as a round video."""
    high, wide = picture.shape[:2]
    side = min(high, wide)
    top, left = (high - side) // 2, (wide - side) // 2
    cut = picture[top : top + side, left : left + side]
    return np.asarray(cv2.resize(cut, (SIZE, SIZE), interpolation=cv2.INTER_AREA), dtype=np.uint8)


if __name__ == "__main__":
    sys.exit(main())
