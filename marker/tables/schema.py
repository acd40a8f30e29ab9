"""The marker's own tables, and the schemas of all tables in its database."""

from core.sqlite import Schema
from lessons.journal import SCHEMA as LESSONS
from telegram_app.schema import SCHEMA as TELEGRAM_APP

SCHEMA = Schema(
    owner="marker",
    tables=("watches", "attempts", "moves"),
    legacy={1: 0, 2: 1, 3: 1},
    migrations=(
        """
        CREATE TABLE watches (                  -- the state of a student's monitoring that survives restarts
            student        INTEGER PRIMARY KEY,
            last_check     TEXT,
            trouble        TEXT,                -- the last trouble's kind
            trouble_text   TEXT,
            trouble_at     TEXT,
            told_since     TEXT,                -- when a lasting trouble began of which the student was told
            skip_date      TEXT                 -- the local day that the student skips
        );
        CREATE TABLE attempts (                 -- wrong codes and refused passwords, counted against guessing
            kind           TEXT NOT NULL,
            who            TEXT NOT NULL,       -- a person's or a portal account's, hashed
            since          TEXT NOT NULL,
            failures       INTEGER NOT NULL,
            locked_until   TEXT,
            PRIMARY KEY (kind, who)
        ) WITHOUT ROWID;
        CREATE TABLE moves (                    -- codes that move a student to another Telegram account
            code           TEXT PRIMARY KEY,
            student        INTEGER NOT NULL,
            created_by     INTEGER NOT NULL,
            expires_at     TEXT NOT NULL,
            moved_to       INTEGER              -- written before the record moves; the last step deletes the row
        );
        """,
    ),
)

SCHEMAS = (TELEGRAM_APP, LESSONS, SCHEMA)
