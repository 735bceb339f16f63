"""Codes and files: what comes back from them, and what is refused."""

import base64
import io
import json
import zlib

import h5py
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import LAB_STATE, THEORY, ensemble
from ncv_lab.panels.state import EnsembleMade, FitMade, first_fit
from ncv_lab.panels.travel import MOST_PARTS, Opened, from_code, half_of, read_source, source_of, state_of, to_code
from ncv_lab.panels.updates import lab_updates

MADE = first_fit(LAB_STATE, 7)


def packed(document):
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(document).encode())).decode().rstrip("=")


def document(code):
    return json.loads(zlib.decompress(base64.urlsafe_b64decode(code + "=" * (-len(code) % 4))))


def changed(*path, value):
    "A code in which one entry is another."
    whole = document(to_code(LAB_STATE, MADE))
    part = whole
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return packed(whole)


def test_a_code_comes_back_as_it_was():
    assert from_code(to_code(LAB_STATE)) == Opened(LAB_STATE)
    moved = EnsembleMade(LAB_STATE.replace(lam=2.0), start=MADE.ensemble)
    later = FitMade(LAB_STATE.replace(lam=2.0), moved, 20, start=MADE)
    resumed = FitMade(later.state, moved, 50, start=later, resumed=True)
    for made in (MADE, later, resumed):
        code = to_code(made.state, made)
        assert from_code(code) == from_code(f"  https://a.b/c#ncv={code} ") == Opened(made.state, made)
        assert len(code) < 600


BOMB = base64.urlsafe_b64encode(zlib.compress(b"[" * 10**7)).decode()
NESTED = base64.urlsafe_b64encode(zlib.compress(b"[" * 10**5)).decode()
BROKEN = {
    "nothing": ("", "it was cut short"),
    "other letters": ("<script>", "its letters are damaged"),
    "cut short": (to_code(LAB_STATE)[:-20], "it was cut short"),
    "a bomb": (BOMB, "it was cut short, or it is too large"),
    "too long": ("A" * 10**6, "letters, and 200,000 are the most"),
    "nested": (NESTED, "its letters are damaged"),
    "a list": (packed([1]), "belongs to another program"),
    "another panel": (packed({"panel": "MassPanel"}), "to another panel"),
    "another version": (changed("version", value=[9]), "it has the version"),
    "no state": (changed("state", value=None), "its entry state is missing"),
    "a shape of words": (changed("state", "shape", value=["a", "b"]), "its entry shape is missing or damaged"),
    "a word for a number": (changed("state", "width", value="4"), "its entry width is missing or damaged"),
    "a word for yes or no": (changed("state", "keep_best", value="no"), "its entry keep_best is missing or damaged"),
    "a huge lattice": (changed("state", "shape", value=[10**6, 10**6]), "too many for a live panel"),
    "an unknown field": (changed("state", "eval", value="1"), "has no field eval"),
    "not a number": (changed("state", "lam", value=float("nan")), "lambda = nan"),
    "a huge number": (changed("state", "seed", value=10**400), "cannot be opened"),
    "no fit": (changed("fits", value=[]), "it has 0 fits"),
    "many fits": (changed("fits", value=[{}] * (MOST_PARTS + 1)), "it has 201 fits"),
    "fits of another kind": (changed("fits", value=[3]), "its entry ensemble is missing"),
    "a circle": (changed("fits", 0, "start", value=0), "refers to part 0 of 0"),
    "a place before the first": (changed("fits", 0, "ensemble", value=-1), "refers to part -1 of 1"),
    "a truth for a place": (changed("fits", 0, "ensemble", value=False), "its entry ensemble is missing or damaged"),
    "steps without end": (changed("fits", 0, "step", value=10**9), "it has 1000000000 steps"),
    "resumed from nothing": (changed("fits", 0, "resumed", value=True), "a fit goes on from nothing"),
    "another coupling": (changed("ensembles", 0, "state", "lam", value=3.0), "have different couplings"),
    "another time": (changed("state", "t", value=1), "do not belong together"),
    "JSON of something else": ('{"a": 1}', "its entry link is missing"),
    "damaged JSON": ('{"a', "cannot be opened"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_hostile_and_broken_codes_are_refused_in_words(name):
    text, message = BROKEN[name]
    with pytest.raises(ValueError, match="this link cannot be opened") as refused:
        from_code(text)
    assert message in str(refused.value) and len(str(refused.value)) < 400


def test_fits_go_on_only_from_what_they_can():
    whole = document(to_code(LAB_STATE, FitMade(LAB_STATE, MADE.ensemble, 20, start=MADE, resumed=True)))
    for entry, value, message in (("width", 9, "of another form"), (None, 3, "a step that it has passed")):
        broken = json.loads(json.dumps(whole))
        if entry:
            broken["fits"][1]["state"][entry] = value
        else:
            broken["fits"][1]["step"] = value
        with pytest.raises(ValueError, match=message):
            from_code(packed(broken))
    other = LAB_STATE.replace(seed=1)
    moved = EnsembleMade(other, start=MADE.ensemble)
    with pytest.raises(ValueError, match="cannot go on from one of another lattice or seed"):
        from_code(to_code(other, FitMade(other, moved)))


def test_a_history_that_is_too_long_is_said_so():
    made = MADE
    for step in range(8, 8 + MOST_PARTS):
        made = FitMade(LAB_STATE, MADE.ensemble, step, start=made, resumed=True)
    with pytest.raises(ValueError, match="too long for a link: press Reset and Start"):
        to_code(LAB_STATE, made)
    with pytest.raises(ValueError, match="come from a file"):
        to_code(LAB_STATE, FitMade(LAB_STATE, EnsembleMade(LAB_STATE, source="x")))


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def saved(made, folder):
    made.save(folder / "ensemble.h5")
    return (folder / "ensemble.h5").read_bytes()


def test_files_of_both_kinds_are_read(tmp_path):
    mine = ensemble(n_chains=10, n_draws=24)
    stored = read_source("mine.h5", saved(mine, tmp_path), LAB_STATE)
    np.testing.assert_array_equal(stored.ensemble.configs, mine.configs)
    assert stored.expression == "ncv.load_ensemble('mine.h5')" and half_of(stored) == 10 * ((24 - stored.gap) // 2)
    state = state_of(stored, LAB_STATE.replace(t=3))
    assert (state.lam, state.m2, state.n_configs, state.t) == (THEORY.lam, THEORY.m2, half_of(stored), 3)
    chain = read_source("it's.npy", npy(mine.flat), LAB_STATE)
    assert chain.ensemble.n_chains == 1 and chain.ensemble.theory.lam == LAB_STATE.lam
    assert eval(chain.expression.replace("np.load", "len"), {"ncv": FakeLibrary, "len": len}) == len("it's.npy")


class FakeLibrary:
    "Shows that the expression of a source is Python whatever the name of the file."

    Phi4 = staticmethod(lambda shape, m2, lam: None)

    class Ensemble:
        from_configs = staticmethod(lambda array, theory: array)


def hdf5(**entries):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, value in entries.items():
            file[name] = value
    return buffer.getvalue()


NORMAL = np.random.default_rng(0).normal(size=(200, 6, 4))
FILES = {
    "empty.npy": (b"", "empty.npy is no NumPy array"),
    "pickled.npy": (npy(np.array([{}]), allow_pickle=True), "pickled.npy is no NumPy array"),
    "short.npy": (npy(NORMAL)[:-8], "short.npy is no NumPy array"),
    "flat.npy": (npy(NORMAL.ravel()), "expected (draw, *lattice) or (chain, draw, *lattice)"),
    "words.npy": (npy(np.full((200, 6, 4), "a")), "words.npy"),
    "nan.npy": (npy(np.where(NORMAL > 3, np.nan, NORMAL)), "nan.npy"),
    "few.npy": (npy(NORMAL[:90]), "too few for two halves"),
    "thin.npy": (npy(NORMAL[:, :, :1]), "thin.npy"),
    "other.h5": (hdf5(x=1.0), "other.h5 does not hold an ensemble"),
    "noise.h5": (b"noise", "noise.h5 is not a complete HDF5 file"),
    "a.pickle": (b"", "a.pickle is neither an ensemble"),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files_are_refused_in_words(name):
    content, message = FILES[name]
    with pytest.raises(ValueError) as refused:
        read_source(name, content, LAB_STATE)
    assert message in str(refused.value) and "/tmp" not in str(refused.value)


def test_other_theories_and_uneven_chains_are_refused():
    components = np.random.default_rng(0).normal(size=(100, 6, 4, 2))
    on = ncv.Ensemble.from_configs(components, ncv.ON((6, 4), 2, m2=0.3, lam=1.0))
    with pytest.raises(ValueError, match="this panel is for Phi4"):
        source_of(on, "")
    uneven = ncv.Ensemble.from_configs([NORMAL[:90], NORMAL[90:]], THEORY)
    with pytest.raises(ValueError, match="have different lengths"):
        source_of(uneven, "")


def test_another_source_is_measured_anew():
    sources = [source_of(ensemble(n_chains=10, n_draws=24, seed=seed), "ensemble") for seed in (0, 1)]
    state = state_of(sources[0], LAB_STATE).replace(family="linear")
    *_, sampled = lab_updates(state)
    *_, first = lab_updates(state, sampled, sources[0])
    *_, same = lab_updates(state.replace(t=1), first, sources[0])
    *_, second = lab_updates(state, same, sources[1])
    *_, back = lab_updates(state, second)
    assert same.sampled is first.sampled and first.sampled.ensemble is sources[0].ensemble
    assert second.sampled.ensemble is sources[1].ensemble
    assert back.sigma_ratio == sampled.sigma_ratio != first.sigma_ratio
