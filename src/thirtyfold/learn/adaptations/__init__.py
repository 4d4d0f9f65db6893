"""adaptations."""
