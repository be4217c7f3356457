"""The prompt: parse, call one workflow, print. Nothing heavy is imported at module level here."""
