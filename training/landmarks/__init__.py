"""Training of the starter pack's landmarks."""
