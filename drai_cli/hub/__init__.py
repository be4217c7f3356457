"""Finds a model: a path, a run, a bundled name, the Hub."""
