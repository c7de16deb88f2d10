"""A value as data: its documented encoding and its summary."""
