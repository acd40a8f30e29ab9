"""The tables that every bot has: people and their steps, the outbox with its slots, claims."""

from core.sqlite import Schema

SCHEMA = Schema(
    owner="telegram_app",
    tables=("people", "steps", "outgoing", "slots", "told"),
    legacy={1: 1, 2: 2, 3: 2},
    migrations=(
        """
        CREATE TABLE people (
            telegram_id    INTEGER PRIMARY KEY,
            language       TEXT,
            unreachable_at TEXT                 -- since when Telegram answers 403 for them
        );
        CREATE TABLE steps (                    -- where a person is in a conversation; never a password
            telegram_id    INTEGER PRIMARY KEY,
            step           TEXT NOT NULL,
            data           TEXT NOT NULL,
            at             TEXT NOT NULL
        );
        CREATE TABLE outgoing (
            id             INTEGER PRIMARY KEY AUTOINCREMENT,
            bot            TEXT NOT NULL,
            chat_id        INTEGER NOT NULL,
            lane           INTEGER NOT NULL,    -- -1: deletions, 0: answers, 1: notices, 2: the rest
            action         TEXT NOT NULL,       -- send, photo, document, edit, amend, react, strip, delete
            slot           TEXT,                -- the place on the person's screen that it fills
            payload        TEXT NOT NULL,
            created_at     TEXT NOT NULL
        );
        CREATE INDEX outgoing_of_chat ON outgoing (bot, chat_id, lane, id);
        CREATE TABLE slots (                    -- which message now fills a place on a person's screen
            bot            TEXT NOT NULL,
            chat_id        INTEGER NOT NULL,
            slot           TEXT NOT NULL,
            message_id     INTEGER NOT NULL,
            PRIMARY KEY (bot, chat_id, slot)
        ) WITHOUT ROWID;
        """,
        """
        CREATE TABLE told (                     -- claims: what was queued once and must not be queued again
            key            TEXT PRIMARY KEY,
            at             TEXT NOT NULL
        ) WITHOUT ROWID;
        """,
        # Several bots in one file. A file of before belongs to one bot: the marker, unless an import renames it.
        """
        CREATE TABLE people_of_bots (
            bot            TEXT NOT NULL,
            telegram_id    INTEGER NOT NULL,
            language       TEXT,
            unreachable_at TEXT,
            PRIMARY KEY (bot, telegram_id)
        ) WITHOUT ROWID;
        INSERT INTO people_of_bots SELECT 'marker', telegram_id, language, unreachable_at FROM people;
        DROP TABLE people;
        ALTER TABLE people_of_bots RENAME TO people;
        CREATE TABLE steps_of_bots (
            bot            TEXT NOT NULL,
            telegram_id    INTEGER NOT NULL,
            step           TEXT NOT NULL,
            data           TEXT NOT NULL,
            at             TEXT NOT NULL,
            PRIMARY KEY (bot, telegram_id)
        ) WITHOUT ROWID;
        INSERT INTO steps_of_bots SELECT 'marker', telegram_id, step, data, at FROM steps;
        DROP TABLE steps;
        ALTER TABLE steps_of_bots RENAME TO steps;
        CREATE TABLE told_of_bots (
            bot            TEXT NOT NULL,
            key            TEXT NOT NULL,
            at             TEXT NOT NULL,
            PRIMARY KEY (bot, key)
        ) WITHOUT ROWID;
        INSERT INTO told_of_bots SELECT 'marker', key, at FROM told;
        DROP TABLE told;
        ALTER TABLE told_of_bots RENAME TO told;
        """,
        # What a screen that follows its state shows: its view, headline and digest.
        "ALTER TABLE slots ADD COLUMN shows TEXT;",
        # The update with a person's last message that was handled: Telegram sends it again after a crash.
        "ALTER TABLE people ADD COLUMN handled INTEGER;",
    ),
)
