"""A model in other forms: as the files of a Hub repository."""
