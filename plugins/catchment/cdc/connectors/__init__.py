"""Kafka Connect: what its connectors should be, what they are, and how they are paused."""
