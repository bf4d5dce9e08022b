"""Labelled images: published, embedded, and folders of the user's own."""

from PIL import Image

Image.init()  # Pillow loads its formats with the first picture; two threads at once could find them half loaded
