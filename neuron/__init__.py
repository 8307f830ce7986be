"""What lesson 00 draws and compares."""
