"""Reports of a session: messages, CSV, workbook and picture; and a teacher's history. Only sending.py does I/O."""
