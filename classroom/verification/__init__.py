"""The queue of video notes, their examination, their figures, and reviews by the teacher."""
