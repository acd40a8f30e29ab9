"""classroom.verification."""
