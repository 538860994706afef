"""The routes of social, at the root paths of its document."""
