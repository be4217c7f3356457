"""MetaImage and NRRD, read by SimpleITK."""
