"""What a request must get past before anything is done for it."""
