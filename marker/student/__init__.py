"""What the marker shows a student: menu buttons, offers, notices, troubles."""
