"""What becomes of an open lesson: marking, its journal, the events a monitor reports."""
