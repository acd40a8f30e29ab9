"""classroom.photos."""
