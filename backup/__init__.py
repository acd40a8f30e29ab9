"""`python bot.py --backup FILE` and `--restore FILE`: the data folder as one archive, a ZIP file with checksums."""

import re

MANIFEST, FORMAT = "manifest.json", 1
# The files of an archive; nothing else is written, and nothing else restored.
NAME = re.compile(
    r"(students|invitations)\.json|(classroom/)?[a-z]+\.sqlite3|rosters/(marks/)?[^/\\\0.][^/\\\0]*", re.ASCII
)


class BackupError(Exception):
    """A backup can't be made or restored. Its text is one line that says what to do."""
