"""The algorithm: batches, one step, and the state that steps change. Knows no files but through `checkpoint`."""
