"""Documents before and after they are tokens."""
