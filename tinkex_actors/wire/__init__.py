"""Bytes to types and back, in both encodings. No I/O."""
