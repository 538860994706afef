"""Faults in mid-load: what was acknowledged is kept, in order, once. `python -m tests.faults` runs for longer."""
