"""Break the real parts of change data capture at random while a random workload writes, then compare every row."""
