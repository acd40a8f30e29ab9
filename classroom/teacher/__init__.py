"""The teacher bot: sign-in, opening a session, the board, manual marks."""
