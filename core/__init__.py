"""What any process needs and nothing of ours stands below: settings, clock, logs, health, encryption, files, SQLite."""
