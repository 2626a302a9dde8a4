"""The backend ``c`` gives numpy's numbers to the last bit, and loads no library but the one that it checked."""

import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic import UserError, load_model
from dsocr_symbolic.algebras import arrays
from dsocr_symbolic.evaluation import native
from dsocr_symbolic.evaluation.c_source import NotElementwiseError, c_source
from dsocr_symbolic.evaluation.generated import compile_function
from dsocr_symbolic.evaluation.native import on_blocks

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or shutil.which("cc") is None, reason="there is no C compiler here"
)
OVER = ("batch", "crop_columns", "crop_rows", "new_tokens")
METRICS = ("forward_tensor_core_flops", "forward_io_bytes", "roofline_s", "peak_memory_bytes", "lower_bound_s")
# Each operation that C and numpy round alike, numbers that Python works out before, and what is put in twice.
_PARTS = (
    "(s_a + s_b), (s_a + (-s_b)), (s_a*s_b*(-3)), t0, (s_a % s_b), s_a**2, ceiling(t0), floor(t0)",
    "maximum(s_a, s_b, 1), minimum(s_a, s_b, t0), positive(s_a), nonzero(s_b), (0.1*s_a)",
    "(t1 + 9007199254740993 + s_a), 7, divide(1, 3)",
)
SOURCE = f"""def run(v):
    s_a = v['a']
    s_b = v['b']
    t0 = divide(s_a, s_b)
    t1 = (2*3)
    c0 = ({", ".join(_PARTS)}, )
    return (c0, )
"""
ODD = (0.0, -0.0, 1.0, -1.5, 5e-324, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 2**53 + 2.0, 1 / 3)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSOCR_CACHE", str(tmp_path / "cache"))
    native._library.cache_clear()
    return tmp_path / "cache"


def drawn(count: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {name: rng.integers(1, 9, count) for name in OVER}


@pytest.mark.parametrize("metric", METRICS)
def test_numbers_of_a_network_are_numpys(metric: str) -> None:
    model, points = load_model(), drawn(1000)
    plain, compiled = (
        model.compile(metric, OVER, backend=backend, waived=["allow_any_grid"]) for backend in ("numpy", "c")
    )
    expected, found = plain(**points)[metric], compiled(**points)[metric]
    for part, values in expected.items():
        assert np.array_equal(found[part], values, equal_nan=True)
    grid = dict(zip(OVER, np.ix_(range(1, 4), range(1, 3), range(1, 3), range(1, 5)), strict=True))
    for part, values in plain(**grid)[metric].items():
        assert np.array_equal(compiled(**grid)[metric][part], values, equal_nan=True)
    point = dict(zip(OVER, (2, 1, 2, 7), strict=True))
    assert compiled(**point) == plain(**point)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(ODD) | st.floats(), st.sampled_from(ODD) | st.floats()), min_size=1))
def test_every_operation_is_numpys(pairs: list[tuple[float, float]]) -> None:
    given = dict(zip("ab", np.array(pairs, dtype=np.float64).T, strict=True))
    plain = compile_function(SOURCE, arrays)
    with np.errstate(all="ignore"):
        expected = plain(given)[0]
        found = on_blocks(SOURCE, plain)(given)[0]
    for value, other in zip(expected, found, strict=True):
        assert np.array_equal(np.broadcast_to(value, len(pairs)), other, equal_nan=True)


@pytest.mark.parametrize("count", [1, 127, 128, 129, 1000])
def test_blocks_of_any_length_are_whole(count: int) -> None:
    given = {"a": np.arange(1.0, count + 1), "b": np.float64(3)}
    plain = compile_function(SOURCE, arrays)
    for value, other in zip(plain(given)[0], on_blocks(SOURCE, plain)(given)[0], strict=True):
        assert np.array_equal(np.broadcast_to(value, count), other)


@pytest.mark.parametrize("text", ["power(0.5, s_a)", "s_a**3", "sum_maxima(((s_a, 1), (1, s_a), ), s_a)"])
def test_what_numpy_rounds_in_its_own_way_is_left_to_it(text: str) -> None:
    source = f"def run(v):\n    s_a = v['a']\n    c0 = ({text}, )\n    return (c0, )\n"
    with pytest.raises(NotElementwiseError):
        c_source(source)
    plain = compile_function(source, arrays)
    assert on_blocks(source, plain) is plain


@pytest.mark.parametrize("named", ["no-such-compiler", "false"])
def test_no_compiler_is_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("CC", named)
    with pytest.raises(UserError, match=r"^backend c: .*leave the backend numpy$") as said:
        load_model().compile("roofline_s", "batch", backend="c")(batch=np.array([1, 2]))
    assert "\n" not in str(said.value)
    assert not cache.exists() or not list(cache.glob("*.so"))


SPOILED: dict[str, Callable[[Path], Any]] = {
    "open to others": lambda path: path.chmod(0o777),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "a link": lambda path: (path.rename(path.with_name("else")), path.symlink_to(path.with_name("else"))),
    "gone": lambda path: path.unlink(),
    "another one": lambda path: path.write_bytes(b"\x7fELF"),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_a_library_that_may_be_anothers_is_compiled_anew(
    cache: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], Any]
) -> None:
    runs: list[Any] = []
    ran = subprocess.run
    monkeypatch.setattr(native.subprocess, "run", lambda *said, **told: (runs.append(said), ran(*said, **told))[1])
    given, plain = {"a": np.arange(1.0, 9), "b": np.arange(2.0, 10)}, compile_function(SOURCE, arrays)
    expected = on_blocks(SOURCE, plain)(given)[0]
    native._library.cache_clear()
    on_blocks(SOURCE, plain)
    assert len(runs) == 1
    (path,) = cache.glob("*.so")
    assert path.stat().st_mode & 0o077 == 0
    spoil(path)
    native._library.cache_clear()
    for value, other in zip(expected, on_blocks(SOURCE, plain)(given)[0], strict=True):
        assert np.array_equal(value, other)
    assert len(runs) == 2


def test_threads_that_ask_first_compile_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSOCR_CACHE", str(tmp_path / "cache"))
    native._library.cache_clear()
    compiled: list[Path] = []
    compile_one = native._compile

    def counted(tool: str, text: str, path: Path) -> Any:
        compiled.append(path)
        return compile_one(tool, text, path)

    monkeypatch.setattr(native, "_compile", counted)
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: on_blocks(SOURCE, compile_function(SOURCE, arrays)), range(4)))
    assert len(compiled) == 1
    points = {"a": np.arange(1.0, 9.0), "b": np.arange(2.0, 10.0)}
    for run in runs[1:]:
        np.testing.assert_array_equal(run(points)[0], runs[0](points)[0])
