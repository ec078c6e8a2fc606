"""The commands, grouped by what they do; each takes the parsed arguments and returns the exit code."""
