"""Bytes on disk: blobs, the journal, pickling into blobs. Knows nothing of models."""
