"""The rules, over real stores."""
