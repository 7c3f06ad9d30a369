"""Training of the starter pack's liveness."""
