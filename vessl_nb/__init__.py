"""From a notebook cell to a model that is checked, versioned and served."""

__version__ = "0.1.0"
