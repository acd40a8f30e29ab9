"""Pure rules of the classroom: sessions, location policy, face policy. No I/O."""
