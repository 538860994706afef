"""Real database and bus servers for the tests, in temporary folders and on free ports."""
