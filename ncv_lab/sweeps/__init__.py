"""Many fits at once: a plan, a store for the results, and workers on one machine or on a cluster."""
