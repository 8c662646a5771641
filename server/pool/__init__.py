"""Workers as the front sees them: the seam, local processes, the pool and its queue."""
