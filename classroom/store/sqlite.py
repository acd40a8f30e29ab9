"""The classroom's store in one SQLite file: the default, where no MongoDB is configured.

Every method is one transaction in the store's own thread, so that no other change comes between its reads and writes.
"""

from classroom.store.sqlite_tables.check_ins_and_faces import CheckInsAndFaces
from classroom.store.sqlite_tables.people import People
from classroom.store.sqlite_tables.sessions import Sessions
from classroom.store.sqlite_tables.sheets_and_marks import SheetsAndMarks


class SqliteStore(People, Sessions, SheetsAndMarks, CheckInsAndFaces):
    """A ``Store`` in a file."""
