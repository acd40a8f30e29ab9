"""The LMS's bad days, one after the other, while a class checks in; and whether it holds exactly our record afterwards.

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

BETWEEN = 3.0  # seconds of a healthy LMS after each fault
PATIENCE = 30.0  # seconds; who has not met a fault by then does not meet it
WRITES = ["create", "update"]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, and how it is told to the simulator's control API."""

    name: str
    seconds: float  # it lasts so long, and until something has met it
    path: str = "/behaviour"
    on: dict[str, Any] = field(default_factory=dict)
    off: dict[str, Any] = field(default_factory=dict)


def faults(email: str) -> list[Fault]:
    """Return what goes wrong, in this order. The record that is there already is put by ``there_already``."""
    return [
        Fault("slow: each answer after 4 s", 8, on={"slow_ms": 4000}, off={"slow_ms": 0}),
        Fault("slower than our 10 s, and done all the same", 12, on={"slow_ms": 12_000}, off={"slow_ms": 0}),
        Fault("500", 8, on={"status": 500}, off={"status": None}),
        Fault("gone for 15 s", 15, on={"down": True}, off={"down": False}),
        Fault("token ended in mid-write, twice", 4, on={"expire_in_call": 2}, off={"expire_in_call": 0}),
        Fault("signed in elsewhere: 401, 409", 4, path="/elsewhere", on={"email": email}),
        Fault("JSON that ends in the middle, 3 times", 4, on={"broken_json": 3}, off={"broken_json": 0}),
        Fault("written, but no answer, 3 times", 4, on={"drop_answers": 3}, off={"drop_answers": 0}),
        Fault("a proxy's page instead of an answer, 3 times", 4, on={"html": 3}, off={"html": 0}),
        Fault(
            "403 to every write: a refusal",
            4,
            on={"status": 403, "calls": WRITES},
            off={"status": None, "calls": ["login", "logout", "refresh", "courses", "roster", "read", *WRITES]},
        ),
    ]


def there_already(lms: httpx.Client, batch: str, zone: str, present: list[str]) -> None:
    """Let somebody else have made the record of a batch: our first write is refused with "duplicate"."""
    body = {"location": "Main", "batch": batch, "subject": "Algebra", "present": present}
    day = datetime.now(ZoneInfo(zone)).date().isoformat()
    lms.post("/records", json=body | {"date": day}).raise_for_status()


@dataclass
class Played:
    """What came of the faults."""

    met: dict[str, int] = field(default_factory=dict)
    """By fault: how many calls there were while it lasted."""
    ended_at: float | None = None
    """When the last one was over; monotonic."""

    def play(self, url: str, email: str, done: threading.Event) -> None:
        """Let the faults happen, each until something has met it; to be run on a thread of its own."""
        with httpx.Client(base_url=f"{url}/control", trust_env=False, timeout=30) as lms:
            for fault in faults(email):
                self.met[fault.name] = self._meet(lms, fault, done)
                done.wait(BETWEEN)
        self.ended_at = time.monotonic()

    def _meet(self, lms: httpx.Client, fault: Fault, done: threading.Event) -> int:
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
    """Return how often the LMS has answered with each HTTP status; 0: it cut the connection."""
    return dict(sorted(Counter(int(each["status"]) for each in lms.get("/log").json()).items()))


def our_record(folder: Path) -> dict[str, dict[str, int]]:
    """Return our own record of the one session, as the LMS is to hold it: by batch, 1 or 0 for each student."""
    with closing(sqlite3.connect(f"file:{folder}/classroom/store.sqlite3?mode=ro", uri=True)) as store:
        rows = store.execute(
            "SELECT enrolled.batch, enrolled.student_id, coalesce(status IN ('present', 'late'), 0)"
            " FROM enrolled LEFT JOIN marks USING (session, student_id)"
        ).fetchall()
    found: dict[str, dict[str, int]] = {}
    for batch, student_id, present in rows:
        found.setdefault(batch, {})[student_id] = present
    return found


def its_record(lms: httpx.Client) -> dict[str, dict[str, int]]:
    """Return what the LMS holds, in the same form."""
    return {each["batch"]: each["students"] for each in lms.get("/records").raise_for_status().json()}


def differences(ours: dict[str, dict[str, int]], its: dict[str, dict[str, int]]) -> int:
    """Return for how many students the two say something else, or one of them nothing."""
    one, other = ({(batch, each, mark) for batch in of for each, mark in of[batch].items()} for of in (ours, its))
    return len({(batch, student) for batch, student, _ in one ^ other})
