"""Runs models: codes to images and images to codes, by torch or ONNX Runtime."""
