"""What the marker shows the admin: panel, students' cards, invitations, account moves."""
