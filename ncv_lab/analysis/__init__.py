"""Estimates with honest errors: raw, improved and cross-fitted, and the masses that follow from them."""
