"""Pure rules of the classroom: sessions, codes, locations, faces. No I/O."""
