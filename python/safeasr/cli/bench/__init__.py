"""``safeasr bench``: speech recognisers under load."""
