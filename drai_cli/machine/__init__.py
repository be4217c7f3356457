"""What this machine has: memory, cores, and which of several processes this one is. Standard library only."""
