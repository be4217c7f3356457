"""Images as files that say what they are, and the folders that they are written to."""
