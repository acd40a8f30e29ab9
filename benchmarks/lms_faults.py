"""Faults of the LMS, injected one after the other while a class checks in, and a comparison of both records.

See `python -m benchmarks.classroom --lms-faults`.
"""

import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

BETWEEN = 3.0  # seconds without a fault after each fault
PATIENCE = 30.0  # seconds after which a fault ends even if no call has met it
WRITES = ["create", "update"]


@dataclass(frozen=True)
class LmsFault:
    """A fault, and the control API calls that switch it on and off."""

    name: str
    seconds: float  # its minimum duration; it also lasts until a call has met it
    path: str = "/behaviour"
    on: dict[str, Any] = field(default_factory=dict)
    off: dict[str, Any] = field(default_factory=dict)


def faults(email: str) -> list[LmsFault]:
    """Return the faults in order; the existing record is made by ``put_existing_record``."""
    return [
        LmsFault("slow: each answer after 4 s", 8, on={"slow_ms": 4000}, off={"slow_ms": 0}),
        LmsFault("slower than our time-out of 10 s, but executed", 12, on={"slow_ms": 12_000}, off={"slow_ms": 0}),
        LmsFault("500", 8, on={"status": 500}, off={"status": None}),
        LmsFault("unreachable for 15 s", 15, on={"down": True}, off={"down": False}),
        LmsFault("token expired during a write, twice", 4, on={"expire_in_call": 2}, off={"expire_in_call": 0}),
        LmsFault("signed in elsewhere: 401, 409", 4, path="/elsewhere", on={"email": email}),
        LmsFault("truncated JSON, 3 times", 4, on={"broken_json": 3}, off={"broken_json": 0}),
        LmsFault("written, but no answer, 3 times", 4, on={"drop_answers": 3}, off={"drop_answers": 0}),
        LmsFault("a proxy's page instead of an answer, 3 times", 4, on={"html": 3}, off={"html": 0}),
        LmsFault(
            "403 to every write",
            4,
            on={"status": 403, "calls": WRITES},
            off={"status": None, "calls": ["login", "logout", "refresh", "courses", "roster", "read", *WRITES]},
        ),
    ]


def put_existing_record(lms: httpx.Client, batch: str, zone: str, present: list[str]) -> None:
    """Create a batch's record as somebody else, so that our first write is refused with "duplicate"."""
    body = {"location": "Main", "batch": batch, "subject": "Algebra", "present": present}
    day = datetime.now(ZoneInfo(zone)).date().isoformat()
    lms.post("/records", json=body | {"date": day}).raise_for_status()


@dataclass
class FaultRun:
    """Injects the faults on a thread, and counts the calls during each."""

    met: dict[str, int] = field(default_factory=dict)
    """Calls during each fault."""
    ended_at: float | None = None
    """The end of the last fault, monotonic."""

    def play(self, url: str, email: str, done: threading.Event) -> None:
        """Inject the faults, each until a call has met it; runs on its own thread."""
        with httpx.Client(base_url=f"{url}/control", trust_env=False, timeout=30) as lms:
            for fault in faults(email):
                self.met[fault.name] = self._meet(lms, fault, done)
                done.wait(BETWEEN)
        self.ended_at = time.monotonic()

    def _meet(self, lms: httpx.Client, fault: LmsFault, done: threading.Event) -> int:
        before, begun, met = _calls(lms), time.monotonic(), 0
        lms.post(fault.path, json=fault.on).raise_for_status()
        while time.monotonic() - begun < fault.seconds or (not met and time.monotonic() - begun < PATIENCE):
            if done.wait(0.25):
                break
            met = _calls(lms) - before
        if fault.off:
            lms.post(fault.path, json=fault.off).raise_for_status()
        return met


def _calls(lms: httpx.Client) -> int:
    return int(lms.get("/stats").raise_for_status().json()["calls"])


def statuses(lms: httpx.Client) -> dict[int, int]:
    """Return how often the LMS answered with each HTTP status; 0: connection cut."""
    return dict(sorted(Counter(int(each["status"]) for each in lms.get("/log").json()).items()))


def our_record(folder: Path) -> dict[str, dict[str, int]]:
    """Return our record of the session in the LMS's form: by batch, 1 or 0 for each student."""
    with closing(sqlite3.connect(f"file:{folder}/classroom/classroom.sqlite3?mode=ro", uri=True)) as store:
        rows = store.execute(
            "SELECT enrolled.batch, enrolled.student_id, coalesce(status IN ('present', 'late'), 0)"
            " FROM enrolled LEFT JOIN marks USING (session, student_id)"
        ).fetchall()
    found: dict[str, dict[str, int]] = {}
    for batch, student_id, present in rows:
        found.setdefault(batch, {})[student_id] = present
    return found


def its_record(lms: httpx.Client) -> dict[str, dict[str, int]]:
    """Return the LMS's record in the same form."""
    return {each["batch"]: each["students"] for each in lms.get("/records").raise_for_status().json()}


def differences(ours: dict[str, dict[str, int]], its: dict[str, dict[str, int]]) -> int:
    """Return how many students have different or missing marks in the two records."""
    one, other = ({(batch, each, mark) for batch in of for each, mark in of[batch].items()} for of in (ours, its))
    return len({(batch, student) for batch, student, _ in one ^ other})
