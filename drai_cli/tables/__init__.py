"""Tables as files: text, JSON lines and workbooks to columns and rows. Knows no images."""
