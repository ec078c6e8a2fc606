"""Running the identical thing on a Ray cluster."""
