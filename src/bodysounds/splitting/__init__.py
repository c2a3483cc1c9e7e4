"""Who is in train, dev and test, and which pairs of sides are compared."""
