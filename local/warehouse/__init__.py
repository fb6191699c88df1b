"""The local warehouse: the fakesnow server with the mends in `mends/`, persistent, on 127.0.0.1."""
