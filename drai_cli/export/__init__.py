"""A model in other forms: ONNX, torch.export, the files of a Hub repository."""
