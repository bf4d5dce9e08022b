"""What differs between images, vectors and sentences."""
