"""Changes a store and a ledger without end, and acknowledges each change on its standard output once it is made.

A process of its own, so that it can be killed at any moment: `python -m tests.faults.writer FOLDER`.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from core.encryption import Cipher
from core.sqlite import Database
from lessons.journal import SCHEMA, Lessons
from storage import Storage
from tests.marker.running import KEY

NOW = datetime(2026, 9, 7, 4, 0, tzinfo=UTC)


def main() -> None:
    """Write for ever."""
    folder = Path(sys.argv[1])
    storage, lessons = Storage(folder, Cipher(KEY)), Lessons(Database(folder / "ledger.sqlite3", [SCHEMA]))
    number = max((student.telegram_id for student in storage.students()), default=0)
    while True:
        number += 1
        storage.redeem(storage.create_invitation(1), number, f"student_{number}", f"password {number}")
        print(f"student {number}", flush=True)
        storage.set_monitoring(number, True)
        print(f"wish {number}", flush=True)
        lessons.seen(f"key{number}", number, "2026-09-07", "Algebra", "T.", "Л1", NOW)
        lessons.intend(f"key{number}", NOW)
        print(f"intent {number}", flush=True)


if __name__ == "__main__":
    main()
