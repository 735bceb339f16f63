"""Files of other programs: what is read, in which order, and that a damaged or hostile file is refused in our words."""

import io
import pickle
import tracemalloc

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncv_lab.sampling.foreign import read_blocks, read_configs

SHAPE = (3, 2)
CONFIGS = np.random.default_rng(0).normal(size=(2, 5, *SHAPE))


def test_numpy_hdf5_and_raw_files(tmp_path):
    np.save(tmp_path / "a.npy", CONFIGS)
    np.savez(tmp_path / "a.npz", phi=CONFIGS, seed=np.arange(2))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("run/phi", data=CONFIGS, compression="gzip")
        file["beta"] = 0.3
    for path, options in (("a.npy", {}), ("a.npz", {"dataset": "phi"}), ("a.h5", {})):
        np.testing.assert_array_equal(read_configs(tmp_path / path, SHAPE, **options), CONFIGS)
    CONFIGS[0].astype(">f4").tofile(tmp_path / "a.dat")
    found = read_configs(tmp_path / "a.dat", SHAPE, dtype=">f4")
    np.testing.assert_array_equal(found, CONFIGS[:1].astype("f4"))
    assert found.dtype == np.float32 and found.dtype.isnative


def test_files_are_draws_or_chains(tmp_path):
    for k, one in enumerate(CONFIGS[0]):
        one.tofile(tmp_path / f"conf.{k}")
    paths = [tmp_path / f"conf.{k}" for k in range(5)]
    np.testing.assert_array_equal(read_configs(paths, SHAPE), CONFIGS[:1])
    for k, chain in enumerate(CONFIGS):
        np.save(tmp_path / f"chain{k}.npy", chain)
    chains = [tmp_path / "chain0.npy", tmp_path / "chain1.npy"]
    np.testing.assert_array_equal(read_configs(chains, SHAPE), CONFIGS)
    np.save(tmp_path / "short.npy", CONFIGS[0, :3])
    long, short = read_configs([chains[0], tmp_path / "short.npy"], SHAPE)
    np.testing.assert_array_equal(long, CONFIGS[0])
    np.testing.assert_array_equal(short, CONFIGS[0, :3])
    with pytest.raises(ValueError, match="different things, configurations and chains"):
        read_configs([chains[0], paths[0]], SHAPE)


def test_time_becomes_the_first_axis(tmp_path):
    np.save(tmp_path / "a.npy", np.moveaxis(CONFIGS, 2, 3))
    np.testing.assert_array_equal(read_configs(tmp_path / "a.npy", (2, 3), time_axis=-1), CONFIGS)


def test_what_cannot_be_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", CONFIGS)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_configs(tmp_path / "b.npy", SHAPE)
    with pytest.raises(ValueError, match=r"array of shape \(2, 5, 3, 2\); expected \(3, 3\)"):
        read_configs(tmp_path / "a.npy", (3, 3))
    with pytest.raises(ValueError, match="time_axis = 2 is no axis"):
        read_configs(tmp_path / "a.npy", SHAPE, time_axis=2)
    with pytest.raises(ValueError, match="list of files is empty"):
        read_configs([], SHAPE)
    np.save(tmp_path / "c.npy", CONFIGS.astype(complex))
    with pytest.raises(ValueError, match="type complex128; a configuration has real numbers"):
        read_configs(tmp_path / "c.npy", SHAPE)
    (tmp_path / "a.dat").write_bytes(CONFIGS.tobytes()[:-8])
    with pytest.raises(ValueError, match=r"472 bytes, which is 9.83333 configurations"):
        read_configs(tmp_path / "a.dat", SHAPE)
    for dtype, message in (("spin", "no type of numbers"), ("O", "has real numbers")):
        with pytest.raises(ValueError, match=message):
            read_configs(tmp_path / "a.dat", SHAPE, dtype=dtype)
    np.savez(tmp_path / "a.npz", phi=CONFIGS, pi=CONFIGS)
    with pytest.raises(ValueError, match=r"2 arrays \(phi, pi\); choose one"):
        read_configs(tmp_path / "a.npz", SHAPE)
    with pytest.raises(ValueError, match="no array 'psi'; its arrays: phi, pi"):
        read_configs(tmp_path / "a.npz", SHAPE, dataset="psi")


def test_blocks_are_the_chains_in_pieces(tmp_path):
    np.save(tmp_path / "a.npy", np.moveaxis(CONFIGS[0], 1, 2).astype("f4"))
    np.moveaxis(CONFIGS[1], 1, 2).astype(">f8").tofile(tmp_path / "b.dat")
    paths = [tmp_path / "a.npy", tmp_path / "b.dat"]
    blocks = list(read_blocks(paths, (2, 3), block_size=3, dtype=">f8", time_axis=1))
    assert [(block.chain, len(block.configs)) for block in blocks] == [(0, 3), (0, 2), (1, 3), (1, 2)]
    np.testing.assert_allclose(np.concatenate([block.configs for block in blocks]), np.concatenate(CONFIGS), rtol=1e-6)
    (tmp_path / "cut.dat").write_bytes(CONFIGS.tobytes()[:-1])
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    np.savez(tmp_path / "fortran.npz", phi=np.asfortranarray(CONFIGS))
    np.save(tmp_path / "one.npy", CONFIGS[0, 0])
    messages = {
        "cut.dat": "479 bytes",
        "cut.npy": "damaged",
        "b.h5": "no file",
        "fortran.npz": "Fortran order",
        "one.npy": r"expected real numbers of shape \(draw, ",
    }
    for name, message in messages.items():
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            list(read_blocks([tmp_path / name], SHAPE))
    with pytest.raises(ValueError, match=r"expected real numbers of shape \(draw, \*\(3, 2\)\)"):
        list(read_blocks(paths[:1], SHAPE))


def test_blocks_of_hdf5_files_and_archives(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", phi=CONFIGS, seed=np.arange(2))
    np.savez(tmp_path / "b.npz", CONFIGS[0].astype(">f4"))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("run/phi", data=CONFIGS, chunks=(1, 2, *SHAPE), compression="gzip")
        file["run/dS"] = CONFIGS
    cases = [(["a.npz"], "phi", 2), (["a.h5"], "run/phi", 2), (["b.npz", "b.npz"], None, 1)]
    for names, dataset, n_chains in cases:
        blocks = list(read_blocks([tmp_path / name for name in names], SHAPE, block_size=4, dataset=dataset))
        assert [(block.chain, len(block.configs)) for block in blocks] == [(0, 4), (0, 1), (1, 4), (1, 1)]
        found = np.concatenate([block.configs for block in blocks]).reshape(2, 5, *SHAPE)
        np.testing.assert_allclose(found[:n_chains], CONFIGS[:n_chains], rtol=1e-6)
    with pytest.raises(ValueError, match=r"2 arrays \(run/dS, run/phi\); choose one"):
        list(read_blocks([tmp_path / "a.h5"], SHAPE))


def test_blocks_of_a_large_file_need_little_memory(tmp_path):
    """20 MB of configurations are read in blocks of 0.2 MB."""
    configs = np.zeros((1, 2000, 50, 25))
    np.savez_compressed(tmp_path / "a.npz", phi=configs)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("phi", data=configs + 1.0)
    for name in ("a.npz", "a.h5"):
        tracemalloc.start()
        n_read = sum(len(block.configs) for block in read_blocks([tmp_path / name], (50, 25), block_size=20))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert n_read == 2000 and peak < 2e6, f"{name}: {peak} bytes"


class Harmful:
    "A pickle that would leave a trace if it were ever read."

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


def test_hostile_files_are_refused(tmp_path):
    np.save(tmp_path / "o.npy", np.array([Harmful(tmp_path / "trace")], object), allow_pickle=True)
    (tmp_path / "p.npy").write_bytes(pickle.dumps(Harmful(tmp_path / "trace")))
    for name in ("o.npy", "p.npy"):
        with pytest.raises(ValueError, match="no NumPy file of plain numbers"):
            read_configs(tmp_path / name, SHAPE)
    assert not (tmp_path / "trace").exists()
    np.save(tmp_path / "secret.npy", CONFIGS)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["phi"] = CONFIGS
    with h5py.File(tmp_path / "h.h5", "w") as file:
        file["link"] = h5py.ExternalLink("other.h5", "phi")
        file.create_dataset("outside", (2, 5, *SHAPE), "f8", external=[(str(tmp_path / "secret.npy"), 0, 480)])
        file.create_dataset("huge", (10**6, 10**4, *SHAPE), "f8", chunks=(1, 1, *SHAPE))
        file.create_dataset("words", (5, 2), h5py.string_dtype())
    messages = {"link": "no array 'link'", "outside": "in other files", "huge": "declares", "words": "real numbers"}
    for name, message in messages.items():
        with pytest.raises(ValueError, match=message):
            read_configs(tmp_path / "h.h5", SHAPE, dataset=name)
    with pytest.raises(ValueError, match="declares"):
        list(read_blocks([tmp_path / "h.h5"], SHAPE, dataset="huge"))


def written(suffix):
    "The bytes of a valid file."
    stream = io.BytesIO()
    if suffix == ".npy":
        np.save(stream, CONFIGS)
    elif suffix == ".npz":
        np.savez(stream, phi=CONFIGS)
    else:
        with h5py.File(stream, "w") as file:
            file["phi"] = CONFIGS
    return stream.getvalue()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, suffix, data):
    """Bytes are changed and the end is cut: the answer is configurations or a ValueError, never another error."""
    content = bytearray(written(suffix))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = read_configs(path, SHAPE)
    except ValueError as error:
        assert str(path) in str(error) or "draws" in str(error)
    else:
        assert found.shape[2:] == SHAPE
    if suffix == ".h5":
        return  # the same reader, after the same look by another process
    try:
        blocks = list(read_blocks([path], SHAPE, block_size=2))
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert all(block.configs.shape[1:] == SHAPE for block in blocks)
