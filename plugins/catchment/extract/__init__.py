"""From a vendor's API to the landing: one batch at a time, page by page."""
