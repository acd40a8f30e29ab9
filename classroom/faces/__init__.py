"""Faces: what an engine can do, and how it fails. Two: dlib's models in processes of ours, and AWS Rekognition."""

from collections.abc import Sequence
from typing import Protocol

from classroom.domain.face_policy import Examined, Motion


class FaceError(Exception):
    """An engine can't do what was asked. Its text is one line without a secret and without a picture."""


class FaceUnavailable(FaceError):
    """The engine does not answer, is throttled, or its worker died (try again). It is no try of the student's."""


class FaceRefused(FaceError):
    """The engine does not let us in, or is set up wrongly (permanent: the operator has to change it)."""


class PhotoUnusable(FaceError):
    """The ID photo can't be compared with (permanent: a better photo is needed); the text says why."""


class FaceEngine(Protocol):
    """What compares a face in a note with one on an ID photo. Any method may raise FaceUnavailable, FaceRefused."""

    name: str
    keeps_templates: bool
    """Whether ``template`` makes something that is worth keeping; else it returns the photo itself."""

    async def template(self, photo: bytes) -> bytes:
        """Return what notes are compared with, made from an ID photo. Raises PhotoUnusable."""

    async def examine(self, note: bytes, motions: Sequence[Motion], template: bytes) -> Examined:
        """Look whether a note answers the challenge, and how alike its face is. Raises PhotoUnusable."""

    async def close(self) -> None:
        """End every process and connection of it, within five seconds."""


__all__ = ["FaceEngine", "FaceError", "FaceRefused", "FaceUnavailable", "PhotoUnusable"]
