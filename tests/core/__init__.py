"""Tests of core: settings, clock, logs, health, encryption, files, SQLite."""
