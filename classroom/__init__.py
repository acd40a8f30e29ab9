"""The classroom: a teacher's and a student's bot, between them a session with a code, at the end marks in the LMS."""
