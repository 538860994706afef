"""Blob stores, and what they are made of."""
