"""What one change costs in storage and ledger at 100, 1,000 and 10,000 students, beside a naive baseline.

`python -m benchmarks.stores [--changes 30] [--out FILE]`

The baseline writes the same JSON with `json.dump` straight into the file: no check, no copy, no fsync, so a crash
can lose everything. Ours writes a copy first, syncs file and folder, and acknowledges only then.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import machine, spread
from core.encryption import Cipher
from core.json_file import replace_file
from core.sqlite import Database
from lessons.journal import SCHEMA, Lessons
from storage import Storage

KEY = "c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM="
SIZES = (100, 1_000, 10_000)


def main() -> int:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=30)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lines = [
        "# One change in storage and ledger, milliseconds",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; {arguments.changes} changes each. "
        "`python -m benchmarks.stores`",
        "",
        "| students | baseline: json.dump | ours: students.json | ours: ledger, seen + intent + confirm |",
        "|---|---|---|---|",
    ]
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(_row(Path(folder), size, arguments.changes))
    report = "\n".join([*lines, ""])
    print(report)
    if arguments.out is not None:
        arguments.out.write_text(report, encoding="utf-8")
    return 0


def _row(folder: Path, size: int, changes: int) -> str:
    records = {str(number): _record(number) for number in range(1, size + 1)}
    replace_file(folder / "students.json", json.dumps(records))
    storage, lessons = Storage(folder, Cipher(KEY)), Lessons(Database(folder / "ledger.sqlite3", [SCHEMA]))
    now = datetime.now(UTC)
    for number in range(1, size + 1):
        lessons.seen(f"old{number}", number, "2026-09-06", "Algebra", "T.", "Л1", now)
    naive = folder / "naive.json"

    def baseline(turn: int) -> None:
        records["1"]["monitoring"] = bool(turn % 2)
        with naive.open("w", encoding="utf-8") as file:
            json.dump(records, file)

    def ledger(turn: int) -> None:
        lessons.seen(f"key{turn}", 1, "2026-09-07", "Algebra", "T.", "Л1", now)
        lessons.intend(f"key{turn}", now)
        lessons.confirm(f"key{turn}", now)

    timed = [
        _timed(baseline, changes),
        _timed(lambda turn: storage.set_monitoring(1, bool(turn % 2)), changes),
        _timed(ledger, changes),
    ]
    return f"| {size:,} | " + " | ".join(spread(times) for times in timed) + " |"


def _record(number: int) -> dict[str, object]:
    return {
        "telegram_id": number,
        "username": f"student_{number}",
        "password": Cipher(KEY).encrypt("password") if number == 1 else _PASSWORD,
        "mode": "automatic",
        "monitoring": False,
        "invitation_code": f"CODE{number}",
        "registered_at": "2026-09-01T10:00:00+00:00",
        "schema": 2,
    }


_PASSWORD = Cipher(KEY).encrypt("password")


def _timed(change: Callable[[int], object], changes: int) -> list[float]:
    times = []
    for turn in range(changes):
        begun = time.perf_counter()
        change(turn)
        times.append((time.perf_counter() - begun) * 1000)
    return times


if __name__ == "__main__":
    sys.exit(main())
