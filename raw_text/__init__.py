"""What lessons 26 and 35 need beside Keras: texts as strings."""
