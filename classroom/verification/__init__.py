"""The queue of video notes: each is checked once, reviews go to the teacher, metrics."""
