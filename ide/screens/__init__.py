"""The places of the screen, a file each."""
