"""What is kept of a person for the face check: the consent, and the template that video notes are compared with."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Consent:
    """A person's consent to the face check, or its refusal, with the version of the text that was shown."""

    telegram_id: int
    given: bool
    at: datetime
    wording: int = 1
    with_class: bool = False  # also to the comparison with classmates

    def covers(self, wording: int, *, with_class: bool = False) -> bool:
        """Whether it is a consent to this version of the text; ``with_class``: to the comparison with the class too."""
        return self.given and self.wording == wording and (self.with_class or not with_class)


@dataclass(frozen=True)
class Template:
    """A face template made from an ID photo, with which video notes are compared; encrypted with the person's key."""

    student_id: str
    engine: str
    photo_tag: str  # of the photo from which it was made
    sealed: bytes
    made_at: datetime
