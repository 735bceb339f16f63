"""Files, batching and checks: what all other parts stand on, and no physics."""
