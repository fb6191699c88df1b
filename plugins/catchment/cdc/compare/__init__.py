"""Compare every table of a shard with the warehouse."""
