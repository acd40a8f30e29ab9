"""A student's check-in, step by step: code, place, face, mark."""
