"""Training of the starter pack's head pose."""
