"""What several suites share: a scripted vendor, a store in memory, small factories."""
