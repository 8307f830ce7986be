"""What lesson 21 needs to compare its networks."""
