"""The student's bot: check-in dialogue and its texts."""
