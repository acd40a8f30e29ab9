"""monitor.py: one student's thread, with a fake portal."""
