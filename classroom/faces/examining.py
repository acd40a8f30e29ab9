"""Examines notes and ID photos in a worker process; takes and returns plain values.

The median distance of up to three sharp frontal pictures decides. They come from the whole note; where the tracking
broke between the motions, a picture of each part is compared and the worst one counts: nobody can show one face and
move another.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from classroom.domain.face_policy import Examined, Motion, Problem, percent
from classroom.faces import PhotoUnusable, challenge, mesh, models, pose
from classroom.faces.tracking import Seen, Tracked, track
from classroom.faces.video import NoVideo

PICTURES = 3  # of a note that are compared, at most
ONE_PERSON = 0.6  # distance between a note's own pictures above which they show two people
TEMPLATE_BYTES = 128 * 8
_FRONTAL = 10.0  # degrees from the camera (pitch: from the rest position), above which a picture is less suitable
_APART = 0.4  # seconds between pictures that are compared
_PHOTO_SIDE = 800  # pixels to which ID photos are scaled down
_LARGEST_PHOTO = 40_000_000  # pixels: larger pictures would fill the memory
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]

Descriptor = npt.NDArray[np.float64]


def prepare() -> None:
    """Prepare this process: load the models, and use one thread, since each core has its own process."""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    models.load()
    mesh.load()


def template_of(photo: bytes) -> bytes:
    """Return an ID photo's descriptor, 128 numbers of 8 bytes. Raises PhotoUnusable."""
    rgb = _photo(photo)
    found = models.faces(models.detect(rgb) or models.detect(rgb, doubled=1))
    if not found:
        raise PhotoUnusable("no face in it")
    if len(found) > 1:
        raise PhotoUnusable("two faces in it")
    return models.describe(models.chip(rgb, found[0])).tobytes()


def check_challenge(note: bytes, motions: Sequence[Motion]) -> Examined:
    """Check a note as the answer to a challenge without comparing its face; return its best frontal picture."""
    return _observe(note, motions)[0]


def examine(note: bytes, motions: Sequence[Motion], template: bytes, threshold: float) -> Examined:
    """Check a note and compare its face; ``threshold`` is in percent. Raises PhotoUnusable for another's template."""
    if len(template) != TEMPLATE_BYTES:
        raise PhotoUnusable("the template is not of this engine")
    watched, parts = _observe(note, motions)
    if watched.problem is not None:
        return watched
    started = time.perf_counter()
    wanted = np.frombuffer(template, dtype=np.float64)
    described: list[Descriptor] = []
    distances: list[float] = []
    is_whole = len(parts) == 1
    for view in parts[0][:PICTURES] if is_whole else [views[0] for views in parts]:
        described.append(_described(view))
        distances.append(apart(described[-1], wanted))
    distance = float(np.median(distances)) if is_whole else max(distances)
    among = max(apart(one, other) for one in described for other in described)
    figures = " ".join(f"{each:.3f}" for each in distances)
    return replace(
        watched,
        problem=Problem.CUT if among > ONE_PERSON else None,
        distance=distance,
        percent=percent(distance),
        seconds={**(watched.seconds or {}), "encode": time.perf_counter() - started},
        details=f"{watched.details}, distances {figures}, among {among:.3f}",
    )


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


def _described(view: Seen) -> Descriptor:
    rgb = np.ascontiguousarray(view.picture[:, :, ::-1])
    return models.describe(models.chip(rgb, _box(view)))


def _box(view: Seen) -> models.Found:
    """Return the face's box as dlib's detector draws it: for its landmarks."""
    right, left = pose.eyes(view.mesh.points)
    middle, across = (right + left) / 2, view.eyes
    low, high = middle - across * np.array([1.1, 0.7]), middle + across * np.array([1.1, 1.5])
    return models.Found(round(low[0]), round(low[1]), round(high[0]), round(high[1]))


def apart(one: Descriptor, other: Descriptor) -> float:
    return float(np.linalg.norm(one - other))


def _photo(photo: bytes) -> npt.NDArray[np.uint8]:
    """Return an ID photo in RGB, rotated by its EXIF data, scaled down. Raises PhotoUnusable."""
    try:
        picture = cv2.imdecode(np.frombuffer(photo, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise PhotoUnusable(f"no picture that can be read ({error.code})") from error
    if picture is None or picture.size > 3 * _LARGEST_PHOTO:
        raise PhotoUnusable("no picture that can be read")
    side = max(picture.shape[:2])
    if side > _PHOTO_SIDE:
        factor = _PHOTO_SIDE / side
        picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture[:, :, ::-1])


def _jpeg(view: Seen) -> bytes:
    """Return the face with its surroundings, as a JPEG for the teacher."""
    box = _box(view)
    around = box.width // 3
    top, left = max(box.top - around, 0), max(box.left - around, 0)
    face = view.picture[top : box.bottom + around, left : box.right + around]
    made, jpeg = cv2.imencode(".jpg", face, _JPEG)
    return jpeg.tobytes() if made else b""
