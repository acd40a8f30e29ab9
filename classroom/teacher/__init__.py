"""The teacher's bot: sign-in, opening a session, the board, marks by hand."""
