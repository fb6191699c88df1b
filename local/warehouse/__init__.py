"""The local warehouse: the fakesnow server with the patches in `patches/`, persistent, on 127.0.0.1."""
