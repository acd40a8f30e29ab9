"""monitor.py and lessons/: one student's monitor with a fake portal."""
