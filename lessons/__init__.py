"""What happens to a student's open lessons: marking, journal, events, and the parts of a monitor's thread."""
