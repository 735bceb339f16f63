"""HDF5 files: a checksum that finds any change, a full disk that kills nothing, and hostile files that are refused."""

import errno
import io
import json
import os
import re

import h5py
import numpy as np
import pytest

import ncv_lab as ncv
from ncv_lab.utils import hdf5
from ncv_lab.utils.hdf5 import check_hdf5, write_hdf5

THEORY = ncv.Phi4((6, 4), 0.1, 1.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    "The bytes of a saved ensemble."
    configs = np.random.default_rng(0).normal(size=(2, 20, *THEORY.shape))
    path = tmp_path_factory.mktemp("whole") / "run.h5"
    ncv.Ensemble.from_configs(configs, THEORY).save(path)
    return path.read_bytes()


def test_any_changed_byte_is_found(whole, tmp_path):
    path = tmp_path / "run.h5"
    rng = np.random.default_rng(1)
    for place in [*range(0, 90, 7), 400, *rng.integers(0, len(whole), 50), len(whole) - 1]:
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"run.h5 is not a complete HDF5 file .*; was it cut short"):
            ncv.load_ensemble(path)


def test_an_edited_file_says_how_the_change_is_kept(whole, tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file["configs"][0, 0, 0, 0] = 3.0
    with pytest.raises(ValueError, match="If you edited it on purpose, read its dataset 'configs' with h5py"):
        ncv.load_ensemble(path)


def test_any_cut_is_found(whole, tmp_path):
    path = tmp_path / "run.h5"
    for length in (0, 5, 511, 512, 3000, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"not a complete HDF5 file .*; was it cut short"):
            ncv.load_ensemble(path)


def test_other_programs_can_read_the_file(whole, tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes(whole)
    with h5py.File(path) as file:
        assert file["configs"].shape == (2, 20, 6, 4)
    assert ncv.read_configs(path, (6, 4), dataset="configs").shape == (2, 20, 6, 4)


# ---- writing ----


class Disk(io.FileIO):
    "A disk that is full after some bytes."

    room = 0

    def write(self, data):
        if self.tell() + len(data) > Disk.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


@pytest.mark.parametrize("room", [0, 600, 3000, 12_000])
def test_a_full_disk_leaves_the_old_file(whole, tmp_path, monkeypatch, room):
    path = tmp_path / "run.h5"
    path.write_bytes(whole)
    ensemble = ncv.load_ensemble(path)
    monkeypatch.setattr(hdf5, "open", lambda name, mode, buffering=-1: Disk(name, mode), raising=False)
    monkeypatch.setattr(Disk, "room", room)
    with pytest.raises(OSError, match=r"run.h5: the disk is full; .* \(the old file is unchanged\)") as caught:
        ensemble.save(path)
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == whole and os.listdir(tmp_path) == ["run.h5"]


def test_errors_of_the_caller_are_its_own(tmp_path):
    with pytest.raises(RuntimeError, match="mine"), write_hdf5(tmp_path / "x.h5"):
        raise RuntimeError("mine")
    assert os.listdir(tmp_path) == []


# ---- hostile files, which have no checksum as those of version 0.1 ----

HEADER = {"kind": "ensemble", "format": 1, "shape": [6, 4], "event_shape": [], "name": "x", "sampler": None}
HEADER |= {"acceptance": None, "exp_dh": None, "exp_dh_error": None, "wall_time": None, "thin": None}
PHI4 = {"shape": {"tuple": [6, 4]}, "m2": {"jax": "m2"}, "lam": {"jax": "lam"}}
HEADER |= {"theory": {"module": "Phi4", "fields": PHI4}}


def hostile(path, configs=None, header=None, attribute=None, m2=0.1):
    with h5py.File(path, "w") as file:
        file.attrs["ncv_lab"] = json.dumps(HEADER | (header or {})) if attribute is None else attribute
        file["theory/m2"], file["theory/lam"] = m2, 1.0
        if callable(configs):
            configs(file)
        else:
            file["configs"] = np.zeros((2, 3, 6, 4)) if configs is None else configs
    return path


def huge(file):
    file.create_dataset("configs", (10**9, 10**6, 6, 4), "f8", chunks=(1, 1, 6, 4))


def external(file):
    file.create_dataset("configs", (2, 3, 6, 4), "f8", external=[("/etc/passwd", 0, 1152)])


def virtual(file):
    layout = h5py.VirtualLayout((2, 3, 6, 4), "f8")
    layout[0] = h5py.VirtualSource("elsewhere.h5", "configs", (3, 6, 4))
    file.create_virtual_dataset("configs", layout)


def other_file(file):
    file["configs"] = h5py.ExternalLink("elsewhere.h5", "configs")


def soft(file):
    file["configs"] = h5py.SoftLink("/theory/m2")


def group(file):
    file.create_group("configs")


def bomb(file):
    file.create_dataset("configs", (2000, 3000, 6, 4), "f8", compression="gzip", fillvalue=0.0)


HOSTILE = {
    "huge": ({"configs": huge}, "declares .* bytes of numbers and holds"),
    "bomb": ({"configs": bomb}, "declares .* bytes of numbers and holds"),
    "external": ({"configs": external}, "in other files, which are not read"),
    "virtual": ({"configs": virtual}, "in other files, which are not read"),
    "link": ({"configs": other_file}, "not a complete HDF5 file|link"),
    "soft": ({"configs": soft}, "configs is a link or a group"),
    "group": ({"configs": group}, "configs is a link or a group"),
    "objects": ({"configs": np.array([b"a", b"bc"], dtype=h5py.string_dtype())}, "numbers of type object"),
    "complex": ({"configs": np.zeros((2, 3, 6, 4), complex)}, "numbers of type complex128"),
    "shape": ({"configs": np.zeros((2, 3, 4, 6))}, "expected real numbers of shape"),
    "integers": ({"configs": np.zeros((2, 3, 6, 4), int)}, "expected real numbers of shape"),
    "empty": ({"configs": np.zeros((0, 3, 6, 4))}, "expected real numbers of shape"),
    "no header": ({"attribute": "{"}, "not a complete HDF5 file"),
    "a list": ({"attribute": "[1]"}, "does not hold an ensemble"),
    "bytes": ({"attribute": np.arange(5)}, "not a complete HDF5 file"),
    "few keys": ({"attribute": '{"kind": "ensemble"}'}, "its header is not that of an ensemble"),
    "no class": ({"header": {"theory": {"module": "os.system", "fields": {}}}}, "is not known here"),
    "no fields": ({"header": {"theory": {"module": "Phi4"}}}, "without fields"),
    "no theory": ({"header": {"theory": {"tuple": [1]}}}, "theory"),
    "no word": ({"header": {"theory": {"pickle": "value"}}}, "'pickle' that is not known here"),
    "other m2": ({"m2": np.nan}, "makes no sense"),
    "m2 of two": ({"m2": np.ones(2)}, "makes no sense"),
    "shape of words": ({"header": {"theory": {"module": "Phi4", "fields": PHI4 | {"shape": "6x4"}}}}, "makes no sense"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_words(name, tmp_path, monkeypatch):
    parts, message = HOSTILE[name]
    path = hostile(tmp_path / "run.h5", **parts)
    monkeypatch.setattr(hdf5, "_read_elsewhere", lambda paths: None)  # it takes a quarter of a second
    with pytest.raises((ValueError, TypeError), match=message):
        ncv.load_ensemble(path)


def test_a_plain_file_of_the_old_format_is_read(tmp_path):
    assert ncv.load_ensemble(hostile(tmp_path / "run.h5")).n_configs == 6


@pytest.mark.parametrize(
    ("program", "message"),
    [("import os; os.kill(os.getpid(), 11)", "fails on it"), ("while True: pass", "does not come to an end")],
)
def test_a_reader_that_dies_or_hangs_is_not_this_process(program, message, tmp_path, monkeypatch):
    path = hostile(tmp_path / "run.h5")
    monkeypatch.setattr(hdf5, "_READ_ALL", program)
    monkeypatch.setattr(hdf5, "PATIENCE", 0.3)
    with pytest.raises(ValueError, match=re.escape(message)):
        check_hdf5([path])
