"""lessons: marking and its journal."""
