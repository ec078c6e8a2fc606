"""What screens ask about the past: a process of its own that reads the store, so that the one that draws never does."""
