"""The client's own parts; against a running server it is tested in tests/e2e/test_client.py."""
