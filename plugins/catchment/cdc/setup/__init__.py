"""What a shard needs before its changes are captured, and one table more."""
