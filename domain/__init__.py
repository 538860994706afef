"""The rules of the messaging model. Imports nothing of ours; knows no transports, HTTP, drivers or SQL."""
