"""What several lessons share and none teaches."""
