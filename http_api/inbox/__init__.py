"""The routes of inbox under `/api/v1`."""
