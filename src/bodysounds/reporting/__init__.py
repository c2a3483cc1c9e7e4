"""The numbers of a run gathered, audited, and put on one page."""
