"""The ways out of the server, against servers that fail, hang and come back."""
