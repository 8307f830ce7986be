"""What lessons 33 and 34 need beside Keras: reading pictures, drawing some, pretraining."""
