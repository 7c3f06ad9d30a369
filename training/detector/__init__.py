"""The detector of the starter pack: faces with five points, in YuNet's format."""
