"""What a load says of its target: right or wrong, how fast, what held it up."""
