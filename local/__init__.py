"""The local profile: everything that production has elsewhere, on one machine. Nothing in `plugins/` imports it."""
