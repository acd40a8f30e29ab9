"""The tables of the classroom's SQLite store."""

from core.sqlite import Schema

_VERSION_1 = """
    CREATE TABLE teachers (
        telegram_id    INTEGER PRIMARY KEY,
        phone          TEXT NOT NULL,
        email          TEXT NOT NULL,
        name           TEXT NOT NULL,
        lms_id         TEXT NOT NULL,
        campus         TEXT NOT NULL
    );
    CREATE TABLE jwt_tokens (
        telegram_id    INTEGER PRIMARY KEY,
        secrets        TEXT NOT NULL            -- encrypted
    );
    CREATE TABLE sessions (
        id             TEXT PRIMARY KEY,
        teacher        INTEGER NOT NULL,
        campus         TEXT NOT NULL,
        subject        TEXT NOT NULL,
        batches        TEXT NOT NULL,           -- a JSON list
        date           TEXT NOT NULL,           -- local, YYYY-MM-DD
        latitude       REAL NOT NULL,
        longitude      REAL NOT NULL,
        accuracy       REAL,
        opened_at      TEXT NOT NULL,
        closes_at      TEXT NOT NULL,
        rotate_seconds INTEGER NOT NULL,
        ended_at       TEXT,
        cancelled      INTEGER NOT NULL DEFAULT 0,
        reported_at    TEXT,
        final_at       TEXT
    ) WITHOUT ROWID;
    CREATE INDEX sessions_of ON sessions (teacher, opened_at);
    CREATE TABLE codes (
        session        TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        code           TEXT NOT NULL,
        valid_until    TEXT NOT NULL,
        number         INTEGER NOT NULL,        -- counts the session's codes
        PRIMARY KEY (session, number)
    ) WITHOUT ROWID;
    CREATE INDEX codes_by_code ON codes (code, valid_until);
    CREATE TABLE sheets (
        session        TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        batch          TEXT NOT NULL,
        campus         TEXT NOT NULL,
        subject        TEXT NOT NULL,
        date           TEXT NOT NULL,
        teacher        INTEGER NOT NULL,
        version        INTEGER NOT NULL DEFAULT 0,
        acked_version  INTEGER NOT NULL DEFAULT -1,
        in_lms         INTEGER NOT NULL DEFAULT 0,
        refused        TEXT NOT NULL DEFAULT '',
        freed          INTEGER NOT NULL DEFAULT 0,  -- cancelled before the LMS had a record: its key is free again
        PRIMARY KEY (session, batch)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX one_sheet_a_lesson ON sheets (campus, batch, subject, date) WHERE freed = 0;
    CREATE TABLE enrolled (                     -- the rosters as they were when the session was opened
        session        TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        position       INTEGER NOT NULL,
        batch          TEXT NOT NULL,
        student_id     TEXT NOT NULL,
        folded         TEXT NOT NULL,           -- the ID in lower case
        name           TEXT NOT NULL,
        email          TEXT NOT NULL,
        PRIMARY KEY (session, position)
    ) WITHOUT ROWID;
    CREATE INDEX enrolled_students ON enrolled (folded, session);
    CREATE TABLE marks (
        session        TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        student_id     TEXT NOT NULL,
        batch          TEXT NOT NULL,
        status         TEXT NOT NULL,
        at             TEXT NOT NULL,
        by_teacher     INTEGER NOT NULL,        -- 0: by checking in
        reason         TEXT NOT NULL,
        PRIMARY KEY (session, student_id)
    ) WITHOUT ROWID;
    CREATE TABLE check_ins (
        session        TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        student_id     TEXT NOT NULL,
        telegram_id    INTEGER NOT NULL,
        step           TEXT NOT NULL,
        code_at        TEXT NOT NULL,
        note           TEXT NOT NULL,
        distance       REAL,
        accuracy       REAL,
        updated_at     TEXT,
        PRIMARY KEY (session, student_id)
    ) WITHOUT ROWID;
    CREATE INDEX check_ins_of ON check_ins (telegram_id, code_at);
    CREATE TABLE bindings (
        folded         TEXT PRIMARY KEY,
        student_id     TEXT NOT NULL,
        telegram_id    INTEGER UNIQUE,          -- null: the person's data were deleted
        account        TEXT NOT NULL UNIQUE,    -- the Telegram account, hashed: it can't take another ID
        bound_at       TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE unbindings (                   -- bindings that teachers undid
        student_id     TEXT NOT NULL,
        telegram_id    INTEGER,
        by_teacher     INTEGER NOT NULL,
        at             TEXT NOT NULL,
        reason         TEXT NOT NULL
    );
    CREATE TABLE attempts (                     -- wrong codes
        telegram_id    INTEGER NOT NULL,
        folded         TEXT NOT NULL,           -- the student ID that was typed, in lower case
        at             TEXT NOT NULL
    );
    CREATE INDEX attempts_of ON attempts (telegram_id, at);
    CREATE INDEX attempts_on ON attempts (folded, at);
"""
_VERSION_2 = """
    ALTER TABLE check_ins ADD COLUMN face TEXT; -- JSON: the challenge and the video note
    CREATE INDEX check_ins_checking ON check_ins (json_extract(face, '$.sent_at')) WHERE step = 'checking';
    CREATE TABLE consents (
        telegram_id    INTEGER PRIMARY KEY,
        given          INTEGER NOT NULL,
        at             TEXT NOT NULL,
        wording        INTEGER NOT NULL
    );
    CREATE TABLE templates (
        folded         TEXT PRIMARY KEY,        -- the student ID in lower case
        student_id     TEXT NOT NULL,
        engine         TEXT NOT NULL,
        photo_tag      TEXT NOT NULL,
        sealed         BLOB NOT NULL,           -- encrypted with the person's own key, which is not in this file
        made_at        TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE used_notes (                   -- recordings that were used once
        fingerprint    TEXT PRIMARY KEY,
        owner          TEXT NOT NULL,           -- the check, hashed
        at             TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX used_notes_by_time ON used_notes (at);
"""
_VERSION_3 = """
    ALTER TABLE check_ins ADD COLUMN asked_at TEXT; -- when Telegram delivered the step's question
    ALTER TABLE check_ins ADD COLUMN waited REAL NOT NULL DEFAULT 0; -- seconds for which our questions waited
"""

SCHEMA = Schema(
    owner="classroom_store",
    tables=(
        *("teachers", "jwt_tokens", "sessions", "codes", "sheets", "enrolled", "marks", "check_ins", "bindings"),
        *("unbindings", "attempts", "consents", "templates", "used_notes"),
    ),
    legacy={1: 1, 2: 2},
    migrations=(_VERSION_1, _VERSION_2, _VERSION_3),
)
