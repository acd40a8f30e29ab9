"""classroom.store."""
