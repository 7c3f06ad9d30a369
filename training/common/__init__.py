"""What every role's training shares: folders and options, images, checkpoints, the log of a run, checks of the result."""

import os

# Threads that wait for one another sleep, so that a training shares its machine well. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
