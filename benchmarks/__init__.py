"""Measurements of what the project claims about cost and speed; one command each."""
