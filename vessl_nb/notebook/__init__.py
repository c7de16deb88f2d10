"""Magics, completion and what is shown: the only rooms that import IPython or ipywidgets."""
