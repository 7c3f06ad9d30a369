"""Training of the starter pack's glasses."""
