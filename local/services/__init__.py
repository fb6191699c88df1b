"""The processes of the local profile, kept by supervisord (`catalogue.py` lists them)."""
