"""classroom.reports."""
