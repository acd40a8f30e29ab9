"""storage.py: students and invitation codes."""
