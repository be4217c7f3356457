"""What can be set: dataclasses with their defaults and ranges, methods and presets. Standard library only."""
