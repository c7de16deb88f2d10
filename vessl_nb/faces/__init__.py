"""Stable text and static HTML out of plain data; imports nothing of Jupyter."""
