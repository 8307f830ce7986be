"""What only lesson 37 needs."""
