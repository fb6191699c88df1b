"""Every type that can be declared, in every role, by every way, with edge values: `make conformance-cdc`."""
