"""Serving: a registered version answers requests, in processes of its own."""
