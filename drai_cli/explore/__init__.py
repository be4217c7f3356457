"""A page on this machine to look at a model and to try it by hand."""
