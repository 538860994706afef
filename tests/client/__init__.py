"""The client against a scripted peer; against a running server it is tested in tests/e2e/test_client.py."""
