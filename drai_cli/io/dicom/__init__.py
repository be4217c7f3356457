"""DICOM files and series, in and out."""
