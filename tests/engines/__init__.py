"""Engines of the real world that run what `magnus render` prints, for the tests, without a cloud."""
