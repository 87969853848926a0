"""Networks with a CTC head and no decoder."""
