"""The company's own application: its sharded database, what is in it at first, and who keeps writing to it."""
