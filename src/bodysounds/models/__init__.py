"""Networks, one a file, and how their weights are kept."""
