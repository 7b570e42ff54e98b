"""Whole rollouts in milliseconds: a seeded world around the real services."""
