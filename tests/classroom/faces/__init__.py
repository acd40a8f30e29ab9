"""classroom.faces."""
