"""An evaluation, a file a part: what it measures, what the report says of it, and its pictures."""
