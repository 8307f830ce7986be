"""What only lesson 36 needs: run exported models and measure them; the program without Keras."""
