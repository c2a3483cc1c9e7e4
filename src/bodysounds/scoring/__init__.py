"""Embeddings of sides, scores of pairs, thresholds."""
