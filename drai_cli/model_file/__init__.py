"""Model files: what they say of themselves, and how they are written and read without trust."""
