"""`make demo`: the whole path once, from the vendors' APIs to the marts, and MRR compared with the vendor's."""
