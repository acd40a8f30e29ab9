"""The ledger: what changes often, in one SQLite database: lessons, outgoing messages, people, conversation steps."""

from ledger.database import SCHEMA, Database, LedgerError, LedgerUnavailable
from ledger.lessons import LessonRow, Lessons
from ledger.outgoing import Action, Outgoing, OutgoingRow
from ledger.people import People, Step
from ledger.told import Told
from ledger.tries import Tries
from ledger.watches import Watch, Watches

__all__ = [
    "SCHEMA",
    "Action",
    "Database",
    "LedgerError",
    "LedgerUnavailable",
    "LessonRow",
    "Lessons",
    "Outgoing",
    "OutgoingRow",
    "People",
    "Step",
    "Told",
    "Tries",
    "Watch",
    "Watches",
]
