"""How a stream's records are had: one module per kind, each with its frozen value, its plan and its reader.

A new kind is a new module here that keeps `protocol.Read`; nothing else has to know of it.
"""
