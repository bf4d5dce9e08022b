"""Episodes of labelled items: images, rows of features, anything held in a `ClassStore`."""
