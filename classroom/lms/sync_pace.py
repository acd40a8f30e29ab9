"""How often ``LmsSync`` writes: spacing, pauses after failures, and the state of each sheet's writes."""

import asyncio
from dataclasses import dataclass

from classroom.domain.sessions import Sheet
from core.backoff import Backoff


@dataclass(frozen=True)
class SyncPace:
    """Intervals in seconds."""

    scan: float = 15.0  # between reads of the store without being woken
    gather: float = 0.25  # wake-ups this close together cause one read
    shortest: float = 2.0  # between two writes of a sheet
    longest: float = 30.0
    first_pause: float = 2.0  # after a failure, doubled with each further one
    longest_pause_live: float = 60.0
    longest_pause: float = 600.0
    settling: float = 60.0  # for this long the LMS, or a proxy, may still execute a write that got no answer
    quiet: float = 15.0  # without a further write, until a confirmed one is read back; at the end it is read at once
    reads: int = 6  # tries to read back
    closing: float = 3.0  # for writes that are running

    def spacing(self, students: int, *, live: bool) -> float:
        """Return the interval between two writes of a sheet.

        In a live session it is longer for small batches, so that each batch costs less than one call for ten students
        however they are spread over batches; after the session there are few changes to gather.
        """
        return min(max(1500.0 / max(students, 1), self.shortest), self.longest) if live else self.shortest


USUAL_PACE = SyncPace()


def loop_time() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class SheetState:
    """The state of a sheet's writes that is not in the store. Times are the loop's, in seconds."""

    backoff: Backoff
    tried_at: float | None = None
    pause: float = 0.0  # from then on, where it failed
    writing: bool = False
    signed_out: bool = False  # waits for the teacher's sign-in; is tried rarely, without asking again
    settled_at: float = 0.0  # until then a write that got no answer may still be executed, over a newer one
    written: int | None = None  # the version that was written before that
    once: bool = False  # the LMS can't change a record: it is written when the session is settled, one write at a time
    confirmed: Sheet | None = None  # is to be read back
    compare_at: float = 0.0  # when

    def due(self, spacing: float, version: int | None = None) -> float:
        """Return when the sheet may be written next; ``version`` is the one to be written."""
        due = 0.0 if self.tried_at is None else self.tried_at + (self.pause if self.backoff.failures else spacing)
        return max(due, self.settled_at) if self.once or (version is not None and version == self.written) else due
