"""From tables to the files of a set: which tables, which rows, which labels. Decodes nothing."""
