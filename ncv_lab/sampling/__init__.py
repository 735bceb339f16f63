"""Markov chains: Hybrid Monte Carlo, autocorrelation, and ensembles of configurations."""
