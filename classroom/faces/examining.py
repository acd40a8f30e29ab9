"""Examines notes and ID photos in a worker process; takes and returns plain values.

Several pictures of a note are described and averaged. If the tracking broke between the motions, the pictures of each
part are compared and the worst part counts: nobody can show one face and move another.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import cv2

from classroom.domain.face_policy import Examined, Motion, Problem, percent
from classroom.faces import PhotoUnusable, challenge, descriptors, matching, mesh, models
from classroom.faces.following import FaceView, follow
from classroom.faces.photo import PhotoFault, read_photo
from classroom.faces.video import NoVideo

_FRONTAL = 0.06  # shift above which a picture is less suitable for comparing
_APART = 0.4  # seconds between pictures that are compared
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]


def prepare() -> None:
    """Prepare this process: load the models, and use one thread, since each core has its own process."""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    models.load()
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
    examined, _views = _observe(note, motions)
    return examined


def examine(note: bytes, motions: Sequence[Motion], template: bytes, others: Sequence[bytes] = ()) -> Examined:
    """Check a note and compare its face, also with others' templates. Raises PhotoUnusable for another's template."""
    descriptors.unpacked(template)
    watched, parts = _observe(note, motions)
    if watched.problem is not None:
        return watched
    started = time.perf_counter()
    seen = [_seen(views) for views in parts]
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
    return examined, [_seen(views) for views in parts]


def _seen(views: Sequence[FaceView]) -> list[matching.Seen]:
    faces = (matching.faces(view.picture[:, :, ::-1])[:1] for view in views[: matching.PICTURES])
    return [face for found in faces for face in found]


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


def _jpeg(view: FaceView) -> bytes:
    """Return the face of a view with its surroundings, as a JPEG for the teacher."""
    around = view.box.width // 3
    top, left = max(view.box.top - around, 0), max(view.box.left - around, 0)
    face = view.picture[top : view.box.bottom + around, left : view.box.right + around]
    made, jpeg = cv2.imencode(".jpg", face, _JPEG)
    return jpeg.tobytes() if made else b""
