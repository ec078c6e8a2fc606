"""Two snapshots → differences."""
