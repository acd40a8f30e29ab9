"""Face engines: the protocol and its errors. Engines: open models in worker processes, and AWS Rekognition."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from classroom.domain.face_policy import Examined, Motion

if TYPE_CHECKING:
    from classroom.faces.photo import PhotoFault


class FaceError(Exception):
    """An engine failed. Its text is one line without secrets or pictures."""


class FaceUnavailable(FaceError):
    """The engine does not answer, is throttled, or its worker died (try again); no try of the student."""


class NoteCrashed(FaceUnavailable):
    """The worker died with this note, or took too long for it. Asked again, a fresh worker gets it (try again)."""


class FaceRefused(FaceError):
    """The engine denies access, or is configured wrongly (permanent: the operator has to change it)."""


class PhotoUnusable(FaceError):
    """The ID photo can't be used for a comparison (permanent: a better photo is needed); the text says why."""

    def __init__(self, text: str, reason: "PhotoFault | None" = None) -> None:
        super().__init__(text, reason)
        self.text, self.reason = text, reason

    def __str__(self) -> str:
        return self.text


class FaceEngine(Protocol):
    """Compares the face in a note with the one on an ID photo. Any method may raise FaceUnavailable, FaceRefused."""

    name: str
    """With the scale of its distances: templates of another name are made anew."""
    keeps_templates: bool
    """Whether templates are worth storing; otherwise ``template`` returns the photo itself."""

    async def template(self, photo: bytes) -> bytes:
        """Make a template for comparisons from an ID photo. Raises PhotoUnusable."""

    async def examine(
        self, note: bytes, motions: Sequence[Motion], template: bytes, others: Sequence[bytes] = ()
    ) -> Examined:
        """Check whether a note answers the challenge, and compare its face. Raises PhotoUnusable.

        ``others`` are templates of classmates, without the student's own: whether the student is nearer than they are.
        """

    async def close(self) -> None:
        """End all processes and connections, within five seconds."""
