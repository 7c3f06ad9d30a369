"""Training of the starter pack's attributes."""
