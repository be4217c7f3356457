"""Results as data, and as pages, tables, plots and cards. Imports no torch."""
