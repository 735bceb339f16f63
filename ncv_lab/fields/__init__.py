"""Vector fields with an exact divergence, each of which gives a control variate."""
