"""classroom.student."""
