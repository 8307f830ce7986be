"""What lesson 33 needs beside Keras: reading pictures from folders, and drawing some."""
