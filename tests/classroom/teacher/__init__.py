"""classroom.teacher."""
