"""Examines notes and ID photos in a worker process; takes and returns plain values.

The median distance of up to three pictures decides. If two of them agree, the third one can't change the result and is
skipped. One picture is enough if it matches with a margin: pictures of one face that was tracked without a break were
at most 0.17 apart in the tests' notes (logged by each check as "among"), and the margin is larger. If the tracking
broke between the motions, a picture of each part is compared and the worst one counts: nobody can show one face and
move another.
"""

import time
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from classroom.domain.face_policy import Examined, Motion, Problem, percent
from classroom.faces import PhotoUnusable, challenge, models
from classroom.faces.following import FaceView, follow
from classroom.faces.photo import PhotoFault, no_face, read_photo
from classroom.faces.video import NoVideo

PICTURES = 3  # of a note that are compared, at most
ONE_PERSON = 0.6  # distance between a note's own pictures above which they show two people
TEMPLATE_BYTES = 128 * 8
_SURELY = 0.18  # of distance below the threshold, where one picture decides
_STILL_MATTERS = 18.0  # percentage points below the threshold
_FRONTAL = 0.06  # shift above which a picture is less suitable for comparing
_APART = 0.4  # seconds between pictures that are compared
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]

Descriptor = npt.NDArray[np.float64]


def prepare() -> None:
    """Prepare this process: load the models, and use one thread, since each core has its own process."""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    models.load()


def template_of(photo: bytes) -> bytes:
    """Return an ID photo's descriptor, 128 numbers of 8 bytes. Raises PhotoUnusable."""
    rgb = read_photo(photo)
    found = models.faces(models.detect(rgb) or models.detect(rgb, doubled=1))
    if not found:
        raise no_face(rgb, lambda turned: bool(models.detect(turned)))
    if len(found) > 1:
        raise PhotoUnusable("two faces in it", PhotoFault.TWO_FACES)
    return models.describe(models.chip(rgb, found[0])).tobytes()


def check_photo(photo: bytes) -> str | None:
    """Return why an ID photo can't be used."""
    try:
        template_of(photo)
    except PhotoUnusable as error:
        return str(error)
    return None


def check_challenge(note: bytes, motions: Sequence[Motion]) -> Examined:
    """Check a note as the answer to a challenge without comparing its face; return its best frontal picture."""
    examined, _views = _observe(note, motions)
    return examined


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
        if is_whole and _is_decided(distances, threshold):
            break
    distance = float(np.median(distances)) if is_whole else max(distances)
    among = max(apart(one, other) for one in described for other in described)
    figures = " ".join(f"{each:.3f}" for each in distances)
    return Examined(
        problem=Problem.CUT if among > ONE_PERSON else None,
        distance=distance,
        percent=percent(distance),
        frame=watched.frame,
        seconds={**(watched.seconds or {}), "encode": time.perf_counter() - started},
        details=f"{watched.details}, distances {figures}, among {among:.3f}",
    )


def _observe(note: bytes, motions: Sequence[Motion]) -> tuple[Examined, list[list[FaceView]]]:
    """Track the face and check the motions; also return each unbroken part's views for comparing, best first."""
    try:
        seen = follow(note)
    except NoVideo as error:
        return Examined(problem=Problem.BROKEN, details=str(error), seconds={}), []
    problem = challenge.problem(seen, motions)
    parts = [_best([view for view in seen.views if view.stretch == at]) for at in challenge.stretches(seen.moments)]
    if problem is None and not all(parts):
        problem = Problem.CUT
    best = _best(seen.views if problem is not None else [view for views in parts for view in views])
    made = " ".join(motion.value for motion in challenge.motions(seen.moments)) or "nothing"
    followed = sum(moment.shift is not None for moment in seen.moments)
    details = (
        f"asked {' '.join(motions)}, seen {made}, followed {followed} of {len(seen.moments)},"
        f" detected {len(seen.views)} of {seen.looked}"
    )
    frame = _jpeg(best[0]) if best else b""
    return Examined(problem=problem, frame=frame, seconds=dict(seen.seconds), details=details), parts


def _best(views: Sequence[FaceView]) -> list[FaceView]:
    """Return views from different moments, the frontal and sharp ones first."""
    most = max((view.sharp for view in views), default=1.0) or 1.0
    ranked = sorted(views, key=lambda view: (view.frontal > _FRONTAL, -view.sharp / most + 4 * view.frontal))
    apart: list[FaceView] = []
    for view in ranked:
        if all(abs(view.at - other.at) >= _APART for other in apart):
            apart.append(view)
    return apart


def _is_decided(distances: Sequence[float], threshold: float) -> bool:
    """Say whether further pictures can't change the result: match, review, or no match."""
    if len(distances) == 1:
        return percent(distances[0] + _SURELY) >= threshold
    review = threshold - _STILL_MATTERS
    sides = {(percent(each) >= threshold) + (percent(each) >= review) for each in distances}
    return len(sides) == 1


def _described(view: FaceView) -> Descriptor:
    rgb = np.ascontiguousarray(view.picture[:, :, ::-1])
    return models.describe(models.chip(rgb, view.box))


def apart(one: Descriptor, other: Descriptor) -> float:
    return float(np.linalg.norm(one - other))


def _jpeg(view: FaceView) -> bytes:
    """Return the face of a view with its surroundings, as a JPEG for the teacher."""
    around = view.box.width // 3
    top, left = max(view.box.top - around, 0), max(view.box.left - around, 0)
    face = view.picture[top : view.box.bottom + around, left : view.box.right + around]
    made, jpeg = cv2.imencode(".jpg", face, _JPEG)
    return jpeg.tobytes() if made else b""
