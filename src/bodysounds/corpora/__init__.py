"""Readers of published corpora, of any folder with a table, and the demo that imitates them."""
