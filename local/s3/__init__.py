"""S3 for the local profile: moto's server, whose objects live on disk.

Moto keeps objects in memory and forgets them at exit. Here each acknowledged write is a file before its answer leaves,
and the files are read back at start (`store.py`, `persistence.py`).
"""
