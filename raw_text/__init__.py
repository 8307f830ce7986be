"""What lesson 26 needs beside Keras: reading texts from folders."""
