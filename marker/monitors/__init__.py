"""The running monitors: registry, bridge to the loop, state kept over restarts, password check."""
