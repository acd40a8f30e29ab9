"""The marker's SQLite tables: monitoring states, wrong answers, move codes."""
