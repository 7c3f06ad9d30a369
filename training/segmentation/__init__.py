"""Training of the starter pack's segmentation."""
