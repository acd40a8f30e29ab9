"""Decides whether a failed check is tried again, and reports the failures that an operator has to fix."""

import logging
from collections import Counter
from math import inf

from classroom.domain.face_policy import NoteRefusal
from classroom.domain.video_notes import NoteGone, NoteUnavailable, Unusable
from classroom.error_codes import Code, noted
from classroom.faces import FaceRefused, FaceUnavailable, NoteCrashed, PhotoUnusable
from classroom.metrics import ClassroomMetrics
from classroom.photos import PhotoMissing, PhotosRefused, PhotosUnavailable, PhotoTooLarge
from classroom.store import StoreError
from classroom.verification.note_check import Check, Repeated

log = logging.getLogger(__name__)

# Attempts at one check, by kind of failure. A failing store is retried without end: without it the check can't be
# handed to the teacher either.
TRIES: dict[type[Exception], float] = {
    NoteCrashed: inf,  # the queue counts them: the note is at fault
    FaceUnavailable: 3,
    NoteUnavailable: 8,
    PhotosUnavailable: 8,
    StoreError: inf,
}
TRIES_OF_A_BUG = 3
# If the engine fails for this many checks without a success in between, the engine is at fault and not the notes.
ENGINE_DOWN_AFTER = 3
TRIES_WITH_ENGINE_DOWN = 8
PERMANENT: dict[type[Exception], Unusable | NoteRefusal] = {
    PhotoMissing: Unusable.NO_PHOTO,
    PhotoTooLarge: Unusable.PHOTO,
    PhotoUnusable: Unusable.PHOTO,
    NoteGone: Unusable.NOTE,
    FaceRefused: Unusable.TECHNICAL,
    PhotosRefused: Unusable.TECHNICAL,
    Repeated: NoteRefusal.REPEATED,
}


class Failures:
    """The failures since the last successful check."""

    def __init__(self, metrics: ClassroomMetrics) -> None:
        self._metrics = metrics
        self.errors: Counter[str] = Counter()  # since the start, by kind
        self._refused: dict[type[Exception], str] = {}
        self._engine_failed_for: set[tuple[str, str, int]] = set()  # keys of checks

    def clear(self) -> None:
        self._refused.clear()
        self._engine_failed_for.clear()

    def degraded(self) -> list[str]:
        """Return what an operator has to look at, for /healthz."""
        found = [*self._refused.values(), *(["the face engine does not answer"] if self._is_engine_down() else [])]
        return [f"{what}: see the log" for what in found]

    def count(self, check: Check, error: Exception) -> type[Exception]:
        kind = next((kind for kind in (*TRIES, *PERMANENT) if isinstance(error, kind)), type(error))
        check.failures[kind.__name__] += 1
        self.errors[kind.__name__] += 1
        self._metrics.face_errors.labels(kind.__name__).inc()
        return kind

    def outcome(self, check: Check, error: Exception) -> Unusable | NoteRefusal | None:
        """Return the outcome of a check that failed with ``error``; None: try again after a pause."""
        kind = self.count(check, error)
        if kind is FaceUnavailable:
            self._engine_failed_for.add(check.key)
        if isinstance(error, FaceRefused | PhotosRefused):
            what = "the face engine" if isinstance(error, FaceRefused) else "the source of the ID photos"
            self._refused[kind] = f"{what} denies access, or is configured wrongly"
            log.error("%s (%s)", self._refused[kind], error, extra={"trouble": _trouble(error)})
        if (outcome := PERMANENT.get(kind)) is not None:
            if isinstance(error, PhotoTooLarge | PhotoUnusable):
                log.warning("%s, the ID photo can't be used: %s", check.label, error, extra={"trouble": "photo"})
            elif outcome is not NoteRefusal.REPEATED:
                log.info("%s, the note can't be checked: %s", check.label, error)
            return outcome
        if kind not in TRIES:
            log.error("%s, checking the face failed", check.label, exc_info=error)
        tries = TRIES.get(kind, TRIES_OF_A_BUG)
        if kind is FaceUnavailable and self._is_engine_down():
            tries = TRIES_WITH_ENGINE_DOWN
        if check.failures[kind.__name__] < tries:
            if kind in TRIES:
                log.warning("%s, %s: %s; trying again", check.label, kind.__name__, error)
            return None
        text = f"{check.label}, given up after {check.failures[kind.__name__]} tries: {error}"
        noted(log, Code.PROCESSING, text, logging.WARNING, _trouble(error))
        return Unusable.TECHNICAL

    def _is_engine_down(self) -> bool:
        return len(self._engine_failed_for) >= ENGINE_DOWN_AFTER


def _trouble(error: Exception) -> str:
    return "photos" if isinstance(error, PhotosRefused | PhotosUnavailable) else "faces"
