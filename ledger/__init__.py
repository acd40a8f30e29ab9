"""The ledger: what changes often, in one SQLite database: lessons, outgoing messages, people, conversation steps."""

from ledger.attempts import Attempts, Rule
from ledger.database import SCHEMA, Database, LedgerError, LedgerUnavailable
from ledger.lessons import LessonRow, Lessons
from ledger.moves import Move, Moves
from ledger.outgoing import Action, Outgoing, OutgoingRow
from ledger.people import People, Step
from ledger.rooms import Room, Rooms
from ledger.told import Told
from ledger.watches import Watch, Watches

__all__ = [
    "SCHEMA",
    "Action",
    "Attempts",
    "Database",
    "LedgerError",
    "LedgerUnavailable",
    "LessonRow",
    "Lessons",
    "Move",
    "Moves",
    "Outgoing",
    "OutgoingRow",
    "People",
    "Room",
    "Rooms",
    "Rule",
    "Step",
    "Told",
    "Watch",
    "Watches",
]
