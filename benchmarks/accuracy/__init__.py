"""What bfloat16 and int8 cost, in words and in numbers."""
