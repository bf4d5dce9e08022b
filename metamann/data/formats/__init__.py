"""Files of sentences as people have them: one module a format, each turns a file into documents or tagged sentences."""
