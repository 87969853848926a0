"""Load tests of speech recognisers: `safeasr bench`, and loads in a line of Python (local.py)."""
