"""Bus, presence and limits for one process; the Redis ones keep the same names of ports for several."""
