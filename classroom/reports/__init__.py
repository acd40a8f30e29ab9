"""What a teacher gets of a session: messages, CSV, a workbook and a picture; and the history. Pure but for sending."""
