"""The marker's conversations: registration, the student's menu, the admin's panel, what monitors have to tell."""
