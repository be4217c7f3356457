"""One function per command: options in, a result out. Never prints, prompts or exits."""
