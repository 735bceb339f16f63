"""Blocks of a sampler are the ensemble in pieces, and all kinds of blocks are taken."""

import numpy as np
import pytest

import ncv_lab as ncv
from helpers import THEORY, ensemble
from ncv_lab.sampling.blocks import as_ensemble, sample_blocks


def test_blocks_are_the_ensemble_in_pieces():
    """The last block is shorter; the totals of the sampler go on; a block may be saved and continued."""
    whole = ncv.sample(THEORY, 280, 3, n_chains=4, n_thermal=50, thin=1, progress=False)
    options = {"n_chains": 4, "n_thermal": 50, "thin": 1}
    blocks = list(sample_blocks(THEORY, 280, 3, block_size=123, **options))
    assert [block.n_draws for block in blocks] == [30, 30, 10]
    np.testing.assert_array_equal(np.concatenate([block.configs for block in blocks], axis=1), whole.configs)
    assert blocks[-1].acceptance == whole.acceptance and blocks[-1].exp_dh == whole.exp_dh
    again = blocks[0].sampler.run(THEORY, 30, progress=False)
    np.testing.assert_array_equal(again.configs, blocks[1].configs)


def test_a_block_of_all_is_one_block():
    (block,) = sample_blocks(THEORY, 40, 3, n_chains=4, n_thermal=50, thin=1)
    assert block.configs.shape == (4, 10, *THEORY.shape)


def test_all_kinds_of_blocks_are_taken():
    made = ensemble(n_chains=3, n_draws=4)
    for block, expected in (((2, made.configs[1]), 2), (made.configs[1].astype(np.float32), 0)):
        chain, part = as_ensemble(block, THEORY)
        assert chain == expected and part.configs.dtype == np.float64
        np.testing.assert_allclose(part.configs[0], made.configs[1], rtol=1e-6)
    assert as_ensemble(made, THEORY) == (0, made)
    uneven = ncv.Ensemble.from_configs([made.configs[0], made.configs[1][:3]], THEORY)
    with pytest.raises(ValueError, match="the same draws of all chains"):
        as_ensemble(uneven, THEORY)
    with pytest.raises(ValueError, match="4 configurations and 3 gradients"):
        as_ensemble((0, made.configs[0], made.configs[0][:3]), THEORY)


def test_estimate_of_ensembles_and_of_pairs_agree():
    """Blocks of all chains at once, and the same chain by chain; the time of sampling is known of the first only."""
    made = ensemble(n_chains=2, n_draws=40)
    observable = ncv.MeanSquare()
    halves = [made.select(draws=slice(0, 20)), made.select(draws=slice(20, 40))]
    pairs = [(chain, half.configs[chain]) for half in halves for chain in (0, 1)]
    of_halves = ncv.estimate_blocks(THEORY, observable, halves)
    of_pairs = ncv.estimate_blocks(THEORY, observable, pairs)
    np.testing.assert_array_equal(of_halves.samples, of_pairs.samples)
    sampled = ncv.estimate_blocks(THEORY, observable, sample_blocks(THEORY, 40, 3, n_chains=4, n_thermal=50, thin=1))
    assert np.isnan(of_pairs.seconds["sampling"]) and sampled.seconds["sampling"] > 0
