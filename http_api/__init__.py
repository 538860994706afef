"""The aiohttp edge: routes of every dialect over the use cases, and what all routes share."""
