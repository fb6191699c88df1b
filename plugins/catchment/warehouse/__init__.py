"""From the landing to the raw tables, and the ledger that says how far each stream is."""
