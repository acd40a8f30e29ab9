"""What every process needs: settings, clock, logs, health, encryption, files, SQLite. Imports nothing of ours."""
