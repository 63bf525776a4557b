"""Rankings of answers, and who made them."""
