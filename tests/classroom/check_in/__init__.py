"""classroom.check_in."""
