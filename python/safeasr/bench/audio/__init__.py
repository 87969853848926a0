"""What is said to the targets."""
