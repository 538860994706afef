"""Everything that is on a wire, without I/O."""
