"""The machine: memory, cores, and the place of this process among several. Standard library only."""
