"""The marker's SQLite tables: watches, attempts, moves."""
