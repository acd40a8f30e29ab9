"""Registration: invitation code, portal username, password; and a new password later."""
