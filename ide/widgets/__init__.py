"""Pieces that several places use."""
