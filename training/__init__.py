"""Trains the networks of the starter pack; training/README.md says how."""
