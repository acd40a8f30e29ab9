"""classroom.domain."""
