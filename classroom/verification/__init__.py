"""The queue of video notes, their examination, reviews by the teacher, and metrics."""
