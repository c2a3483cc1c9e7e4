"""The stages: one folder each, thin nodes over the library."""
