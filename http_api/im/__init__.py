"""The routes of im (im API 1 to 11) under `/api/v1`."""
