"""The physics of the lattice: shapes, actions, observables, and answers that are known exactly."""
