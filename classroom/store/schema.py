"""The tables of the classroom's SQLite store."""

import logging

from classroom.domain.sessions import folded
from core.sqlite import Schema

log = logging.getLogger(__name__)

_VERSION_1 = """
    CREATE TABLE teachers (
        telegram_id INTEGER PRIMARY KEY, phone TEXT NOT NULL, email TEXT NOT NULL, name TEXT NOT NULL,
        lms_id TEXT NOT NULL, campus TEXT NOT NULL
    );
    CREATE TABLE jwt_tokens (
        telegram_id INTEGER PRIMARY KEY,
        secrets TEXT NOT NULL  -- encrypted
    );
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY, teacher INTEGER NOT NULL, campus TEXT NOT NULL, subject TEXT NOT NULL,
        batches TEXT NOT NULL,  -- a JSON list
        date TEXT NOT NULL,  -- local, YYYY-MM-DD
        latitude REAL NOT NULL, longitude REAL NOT NULL, accuracy REAL, opened_at TEXT NOT NULL,
        closes_at TEXT NOT NULL, rotate_seconds INTEGER NOT NULL, ended_at TEXT,
        cancelled INTEGER NOT NULL DEFAULT 0, reported_at TEXT, final_at TEXT
    ) WITHOUT ROWID;
    CREATE INDEX sessions_of ON sessions (teacher, opened_at);
    CREATE TABLE codes (
        session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, code TEXT NOT NULL,
        valid_until TEXT NOT NULL,
        number INTEGER NOT NULL,  -- counts the session's codes
        PRIMARY KEY (session, number)
    ) WITHOUT ROWID;
    CREATE INDEX codes_by_code ON codes (code, valid_until);
    CREATE TABLE sheets (
        session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, batch TEXT NOT NULL, campus TEXT NOT NULL,
        subject TEXT NOT NULL, date TEXT NOT NULL, teacher INTEGER NOT NULL, version INTEGER NOT NULL DEFAULT 0,
        acked_version INTEGER NOT NULL DEFAULT -1, in_lms INTEGER NOT NULL DEFAULT 0,
        refused TEXT NOT NULL DEFAULT '',
        freed INTEGER NOT NULL DEFAULT 0,  -- cancelled before the LMS had a record: its key is free again
        PRIMARY KEY (session, batch)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX one_sheet_a_lesson ON sheets (campus, batch, subject, date) WHERE freed = 0;
    CREATE TABLE enrolled (  -- the rosters as they were when the session was opened
        session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, position INTEGER NOT NULL,
        batch TEXT NOT NULL, student_id TEXT NOT NULL,
        folded TEXT NOT NULL,  -- the ID as it is compared
        name TEXT NOT NULL, email TEXT NOT NULL,
        PRIMARY KEY (session, position)
    ) WITHOUT ROWID;
    CREATE INDEX enrolled_students ON enrolled (folded, session);
    CREATE TABLE marks (
        session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, student_id TEXT NOT NULL,
        batch TEXT NOT NULL, status TEXT NOT NULL, at TEXT NOT NULL,
        by_teacher INTEGER NOT NULL,  -- 0: by checking in
        reason TEXT NOT NULL,
        PRIMARY KEY (session, student_id)
    ) WITHOUT ROWID;
    CREATE TABLE check_ins (
        session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, student_id TEXT NOT NULL,
        telegram_id INTEGER NOT NULL, step TEXT NOT NULL, code_at TEXT NOT NULL, note TEXT NOT NULL, distance REAL,
        accuracy REAL, updated_at TEXT,
        PRIMARY KEY (session, student_id)
    ) WITHOUT ROWID;
    CREATE INDEX check_ins_of ON check_ins (telegram_id, code_at);
    CREATE TABLE bindings (
        folded TEXT PRIMARY KEY, student_id TEXT NOT NULL,
        telegram_id INTEGER UNIQUE,  -- null: the person's data were deleted
        account TEXT NOT NULL UNIQUE,  -- the Telegram account, hashed: it can't take another ID
        bound_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE unbindings (  -- bindings that teachers undid
        student_id TEXT NOT NULL, telegram_id INTEGER, by_teacher INTEGER NOT NULL, at TEXT NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE TABLE attempts (  -- wrong codes
        telegram_id INTEGER NOT NULL,
        folded TEXT NOT NULL,  -- the student ID that was typed, as it is compared
        at TEXT NOT NULL
    );
    CREATE INDEX attempts_of ON attempts (telegram_id, at);
    CREATE INDEX attempts_on ON attempts (folded, at);
"""
_VERSION_2 = """
    ALTER TABLE check_ins ADD COLUMN face TEXT; -- JSON: the challenge and the video note
    CREATE INDEX check_ins_checking ON check_ins (json_extract(face, '$.sent_at')) WHERE step = 'checking';
    CREATE TABLE consents (
        telegram_id INTEGER PRIMARY KEY, given INTEGER NOT NULL, at TEXT NOT NULL, wording INTEGER NOT NULL
    );
    CREATE TABLE templates (
        folded TEXT PRIMARY KEY,  -- the student ID as it is compared
        student_id TEXT NOT NULL, engine TEXT NOT NULL, photo_tag TEXT NOT NULL,
        sealed BLOB NOT NULL,  -- encrypted with the person's own key, which is not in this file
        made_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE used_notes (  -- recordings that were used once
        fingerprint TEXT PRIMARY KEY,
        owner TEXT NOT NULL,  -- the check, hashed
        at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX used_notes_by_time ON used_notes (at);
"""
# Student IDs are folded by the function ``folded``. Of two bindings that are the same now the older one stays; a
# template whose key had another name is made again.
_FOLD_ANEW = """
    DELETE FROM bindings WHERE folded IN (
        SELECT folded FROM (
            SELECT folded, row_number() OVER (PARTITION BY folded(student_id) ORDER BY bound_at, folded) AS place
            FROM bindings
        ) WHERE place > 1
    ) RETURNING log_unbound(student_id);
    UPDATE bindings SET folded = folded(student_id);
    UPDATE enrolled SET folded = folded(student_id) WHERE folded <> folded(student_id);
    UPDATE attempts SET folded = folded(folded);
    DELETE FROM templates WHERE folded <> folded(student_id);
"""
# A mark is kept for each sheet. The migration writes no new ones: what was reported stays as it was reported. The
# unfinished sessions' students on two batches get theirs at the start (``CheckIns.settle``), so that the LMS is told.
_VERSION_3 = """
    ALTER TABLE check_ins ADD COLUMN asked_at TEXT; -- when Telegram delivered the step's question
    ALTER TABLE check_ins ADD COLUMN waited REAL NOT NULL DEFAULT 0; -- seconds for which our questions waited
    CREATE TABLE new_marks (
        session        TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        batch          TEXT NOT NULL,
        student_id     TEXT NOT NULL,
        status         TEXT NOT NULL,
        at             TEXT NOT NULL,           -- of the decision
        by_teacher     INTEGER NOT NULL,        -- 0: by a checked face
        reason         TEXT NOT NULL,
        came_at        TEXT,                    -- when the right code was sent; null: marked by hand
        PRIMARY KEY (session, batch, student_id)
    ) WITHOUT ROWID;
    INSERT INTO new_marks SELECT session, batch, student_id, status, at, by_teacher, reason,
        CASE WHEN by_teacher = 0 THEN (SELECT code_at FROM check_ins
            WHERE check_ins.session = marks.session AND check_ins.student_id = marks.student_id) END FROM marks;
    DROP TABLE marks;
    ALTER TABLE new_marks RENAME TO marks;
    ALTER TABLE sessions ADD COLUMN place TEXT; -- JSON; null: deleted, with the final report or by cancelling
    UPDATE sessions SET place = json_object('latitude', latitude, 'longitude', longitude, 'accuracy', accuracy)
        WHERE final_at IS NULL AND cancelled = 0;
    ALTER TABLE sessions DROP COLUMN latitude;
    ALTER TABLE sessions DROP COLUMN longitude;
    ALTER TABLE sessions DROP COLUMN accuracy;
    ALTER TABLE check_ins ADD COLUMN rivals TEXT NOT NULL DEFAULT '[]'; -- a JSON list
    CREATE TABLE corrections (  -- students' requests; one for each lesson and student
        session        TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        folded         TEXT NOT NULL,
        student_id     TEXT NOT NULL,
        telegram_id    INTEGER NOT NULL,
        reason         TEXT NOT NULL,
        asked_at       TEXT NOT NULL,
        accepted       INTEGER,                 -- null: not decided yet
        decided_at     TEXT,
        by_teacher     INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (session, folded)
    ) WITHOUT ROWID;
    CREATE INDEX corrections_of ON corrections (telegram_id);
    ALTER TABLE sheets ADD COLUMN read_back TEXT; -- JSON: the comparison with the LMS's own record
"""
_VERSION_4 = """
    ALTER TABLE sessions ADD COLUMN reopened_at TEXT;
    UPDATE teachers SET phone = ltrim(phone, '+'); -- only digits, as those of an LMS always were
"""
_VERSION_5 = """
    ALTER TABLE consents ADD COLUMN with_class INTEGER NOT NULL DEFAULT 0; -- also to the comparison with the class
    ALTER TABLE enrolled ADD COLUMN face_allowed INTEGER NOT NULL DEFAULT 1;
"""
# Debian 12's SQLite reports tables WITHOUT ROWID as damaged whose key columns are not the first ones. ``taken`` is a
# keyed hash of the student ID; once the account's data are deleted it stands in the ID's place.
_KEYS_FIRST = """
    CREATE TABLE new_codes (
        session        TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        number         INTEGER NOT NULL,        -- counts the session's codes
        code           TEXT NOT NULL,
        valid_until    TEXT NOT NULL,
        PRIMARY KEY (session, number)
    ) WITHOUT ROWID;
    INSERT INTO new_codes SELECT session, number, code, valid_until FROM codes;
    DROP TABLE codes;
    ALTER TABLE new_codes RENAME TO codes;
    CREATE INDEX codes_by_code ON codes (code, valid_until);
    ALTER TABLE bindings ADD COLUMN taken TEXT;
    CREATE UNIQUE INDEX bindings_taken ON bindings (taken);
"""
# Several lessons of a batch and subject a day: their names make them different ones.
_VERSION_7 = """
    ALTER TABLE sessions ADD COLUMN lesson TEXT NOT NULL DEFAULT '';
    ALTER TABLE sessions ADD COLUMN lms_record TEXT NOT NULL DEFAULT 'own';
    ALTER TABLE sessions ADD COLUMN without_phones INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE sheets ADD COLUMN lesson TEXT NOT NULL DEFAULT '';
    ALTER TABLE sheets ADD COLUMN lesson_key TEXT NOT NULL DEFAULT ''; -- the name as it is compared
    ALTER TABLE sheets ADD COLUMN lms_record TEXT NOT NULL DEFAULT 'own';
    ALTER TABLE sheets ADD COLUMN lms_kind TEXT NOT NULL DEFAULT ''; -- of the teacher's account
    DROP INDEX one_sheet_a_lesson;
    CREATE UNIQUE INDEX one_sheet_a_lesson ON sheets (campus, batch, subject, date, lesson_key) WHERE freed = 0;
    CREATE INDEX sheets_of_a_day ON sheets (date, batch);
"""
# Greek letters that look like Latin ones are folded, too.
_VERSION_8 = """
    ALTER TABLE attempts ADD COLUMN code_of TEXT NOT NULL DEFAULT ''; -- the session that had the code
    UPDATE OR REPLACE corrections SET folded = folded(student_id) WHERE folded <> folded(student_id);
    UPDATE OR IGNORE sheets SET lesson_key = folded(lesson) WHERE lesson_key <> folded(lesson);
"""
# What older versions stored without a key: hashes of 32 digits, and IDs of students whose data were deleted. The last
# statement: hashes of IDs that are folded in another way now.
KEYED = (
    "UPDATE unbindings SET student_id = taken(student_id) WHERE telegram_id IS NULL AND length(student_id) <> 40",
    "UPDATE bindings SET account = keyed(account), taken = taken(student_id) WHERE taken IS NULL",
    "UPDATE bindings SET folded = taken, student_id = taken WHERE telegram_id IS NULL AND folded <> taken",
    "UPDATE used_notes SET owner = keyed(owner) WHERE length(owner) = 32",
    "UPDATE OR IGNORE bindings SET taken = taken(student_id)"
    " WHERE telegram_id IS NOT NULL AND student_id GLOB '*[^ -~]*' AND taken <> taken(student_id)",
)


def log_unbound(student_id: str) -> None:
    log.warning("student %s: unbound, since an older binding is of the same ID in another spelling", student_id)


SCHEMA = Schema(
    owner="classroom_store",
    tables=(
        *("teachers", "jwt_tokens", "sessions", "codes", "sheets", "enrolled", "marks", "check_ins", "bindings"),
        *("unbindings", "attempts", "consents", "templates", "used_notes", "corrections"),
    ),
    legacy={1: 1, 2: 2},
    migrations=(
        *(_VERSION_1, _VERSION_2, _VERSION_3 + _FOLD_ANEW, _VERSION_4, _VERSION_5, _KEYS_FIRST, _VERSION_7),
        _FOLD_ANEW + _VERSION_8,
    ),
    functions={"folded": folded, "log_unbound": log_unbound},
)
