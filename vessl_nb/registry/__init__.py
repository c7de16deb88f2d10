"""Repositories, their models, versions and aliases, over storage."""
