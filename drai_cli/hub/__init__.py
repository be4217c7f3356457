"""Where a model is: a path, a run, a bundled name, the Hub."""
