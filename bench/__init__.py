"""Benchmarks: each runs a peer in the same run and prints one JSON object as its last line."""
