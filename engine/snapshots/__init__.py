"""Keeping every run: what determined it, what happened, what came out."""
