"""CAM++: who is speaking, as a vector."""
