"""`bodysounds init-corpus`: what lies in any folder, whose it is, what it serves, what to write."""
