"""Trains the starter pack's face embedding: an aligned 112x112 face in, 128 numbers out, distilled from MobileFaceNet."""
