"""Read rows again: signals, incremental snapshots, and the rebuild of a shard whose slot is lost."""
