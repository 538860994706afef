"""The routes of messenger under `/api`."""
