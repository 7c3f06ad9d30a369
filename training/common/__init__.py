"""What every role's training shares: folders and options, images, checkpoints, the log of a run, checks of the result."""

import os

# Threads that wait for one another sleep, so a training leaves the processors to other work. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
