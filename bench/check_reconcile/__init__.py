"""Damage the warehouse by hand, kind by kind, and see that the comparison with the shards names every row of it."""
