"""The gateway's parts; as a whole it is tested in tests/e2e."""
