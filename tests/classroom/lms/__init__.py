"""classroom.lms."""
