"""Readers of staged files: JSON lines, CSV and Parquet."""
