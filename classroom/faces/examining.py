"""Examines notes and ID photos in a worker process; takes and returns plain values.

Up to three sharp frontal pictures of a note are described and averaged. Where the tracking broke between the motions,
the pictures of each part are compared and the worst part counts: nobody can show one face and move another.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from classroom.domain.face_policy import Examined, Motion, Problem, percent
from classroom.faces import PhotoUnusable, challenge, descriptors, matching, mesh, pose
from classroom.faces.photo import PhotoFault, read_photo
from classroom.faces.tracking import Seen, Tracked, track
from classroom.faces.video import NoVideo

# Degrees of yaw from the camera, and of pitch from the rest position, above which a picture is less suitable.
_FRONTAL = 10.0
_APART = 0.4  # seconds between pictures that are compared
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]


def prepare() -> None:
    """Prepare this process: load the models, and use one thread, since each core has its own process."""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    mesh.load()
    descriptors.load()


def template_of(photo: bytes) -> bytes:
    """Return an ID photo's template. Raises PhotoUnusable."""
    return matching.template_of(read_photo(photo))


def check_photo(photo: bytes) -> PhotoFault | None:
    """Return why an ID photo can't be used, or hardly."""
    try:
        return matching.fault(read_photo(photo))
    except PhotoUnusable as error:
        return error.reason


def check_challenge(note: bytes, motions: Sequence[Motion]) -> Examined:
    """Check a note as the answer to a challenge without comparing its face; return its best frontal picture."""
    return _observe(note, motions)[0]


def examine(note: bytes, motions: Sequence[Motion], template: bytes, others: Sequence[bytes] = ()) -> Examined:
    """Check a note and compare its face, also with others' templates. Raises PhotoUnusable for another's template."""
    descriptors.unpacked(template)
    watched, parts = _observe(note, motions)
    if watched.problem is not None:
        return watched
    started = time.perf_counter()
    seen = [_faces(views) for views in parts]
    if not all(seen):
        return replace(watched, problem=Problem.CUT)
    found = matching.compare(seen, template, others)
    return replace(
        watched,
        problem=Problem.CUT if found.among > matching.ONE_PERSON else None,
        distance=found.distance,
        percent=percent(found.distance),
        nearest=found.nearest,
        seconds={**(watched.seconds or {}), "encode": time.perf_counter() - started},
        details=f"{watched.details}, distance {found.distance:.3f}, among {found.among:.3f}",
    )


def note_faces(note: bytes) -> tuple[Examined, list[list[matching.Seen]]]:
    """Return what was found in a note without a challenge, and the pictures of each part that are compared."""
    examined, parts = _observe(note, ())
    return examined, [_faces(views) for views in parts]


def _faces(views: Sequence[Seen]) -> list[matching.Seen]:
    return [(view.picture, view.mesh) for view in views[: matching.PICTURES]]


def _observe(note: bytes, motions: Sequence[Motion]) -> tuple[Examined, list[list[Seen]]]:
    """Track the face and check the motions; also return each unbroken part's pictures for comparing, best first."""
    try:
        tracked = track(note)
    except NoVideo as error:
        return Examined(problem=Problem.BROKEN, details=str(error), seconds={}), []
    started = time.perf_counter()
    made = challenge.moves(tracked.seen)
    tracked.seconds["depth"] = time.perf_counter() - started
    problem = challenge.problem(tracked, made, motions)
    seen = tuple(challenge.motions(made))
    parts = compared(tracked, made)
    best = parts[0] if parts else []
    details = (
        f"asked {' '.join(motions)}, seen {' '.join(seen) or 'nothing'},"
        f" face in {tracked.tracked - tracked.lost} of {tracked.tracked}, {len(tracked.seen)} pictures"
        + "".join(f"; {move}" for move in made)
    )
    frame = _jpeg(best[0]) if best else b""
    return Examined(problem=problem, frame=frame, seconds=tracked.seconds, details=details, seen=seen), parts


def compared(tracked: Tracked, made: Sequence[challenge.Move]) -> list[list[Seen]]:
    """Return the pictures to compare of each stretch with motions, or else of the longest, the best ones first."""
    moved = {seen.stretch for seen in tracked.seen for move in made if move.start <= seen.at <= move.end}
    stretches: dict[int, list[Seen]] = {}
    for seen in tracked.seen:
        stretches.setdefault(seen.stretch, []).append(seen)
    wanted = [stretches[stretch] for stretch in sorted(moved)] or sorted(stretches.values(), key=len)[-1:]
    pitch = float(challenge.rest(tracked.seen)[1]) if tracked.seen else 0.0
    return [_best(views, pitch) for views in wanted]


def _best(views: Sequence[Seen], pitch: float) -> list[Seen]:
    """Return pictures from different moments, the frontal and sharp ones first."""
    sharp = {view.at: view.sharp for view in views}
    most = max(sharp.values(), default=1.0) or 1.0

    def rank(view: Seen) -> tuple[bool, float]:
        away = float(np.hypot(view.pose.yaw, view.pose.pitch - pitch))
        return away > _FRONTAL, away / 30 - sharp[view.at] / most

    apart: list[Seen] = []
    for view in sorted(views, key=rank):
        if all(abs(view.at - other.at) >= _APART for other in apart):
            apart.append(view)
    return apart


def _jpeg(view: Seen) -> bytes:
    """Return the face with its surroundings, as a JPEG for the teacher."""
    right, left = pose.eyes(view.mesh.points)
    middle, across = (right + left) / 2, view.eyes
    low = np.maximum(np.round(middle - across * np.array([1.83, 1.43])), 0).astype(int)
    high = np.round(middle + across * np.array([1.83, 2.23])).astype(int)
    made, jpeg = cv2.imencode(".jpg", view.picture[low[1] : high[1], low[0] : high[0]], _JPEG)
    return jpeg.tobytes() if made else b""
