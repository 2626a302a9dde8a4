"""Random command lines, files and documents, most of them nearly right, for tests that hold them to laws."""

import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from attrs import frozen

from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.paths import data_files

MODEL = default_definition(None)
SYMBOLS = tuple(MODEL.quantities)
GPUS = tuple(data_files("hardware"))
LAYERS = tuple(data_files("formulas/layers"))
METRICS = tuple(load_metrics())
PARTS = ("total", "vision", "projector", "prefill", "decode", "vision/crops", "decode/decoder", "prefil", "")
NUMBERS = ("0", "1", "2", "3", "7", "64", "640", "1024", "4096", "1e3", "1/2", "0.5", "2.5", "1000000", "1e12")
ODD = (
    "-1",
    "1/0",
    "nan",
    "inf",
    "",
    " 8 ",
    "x",
    "1e99",
    "8_0",
    "--",
    "0x10",
    "٣",
    "[b]",
    ":smile:",
    "\x1b[31m",
    "2**8",
)
FORMATS = ("text", "json", "yaml", "csv", "markdown", "xml")
EVERYDAY = (
    "batch",
    "new_tokens",
    "text_tokens",
    "n_routed_experts",
    "compute_efficiency",
    "memory_bandwidth",
    "reserve",
)


@frozen(kw_only=True)
class Line:
    """A command line, and the symbols that it sets."""

    words: tuple[str, ...]
    sets: tuple[str, ...] = ()


def line(random: Random) -> Line:
    """Draw a command line."""
    verb = random.choice((*_VERBS, *("totals",) * 10, *("tree", "sweep") * 2))
    words, sets = _VERBS[verb](random)
    if random.random() < 0.05:
        words.insert(random.randint(0, len(words)), random.choice(("--unknown", "-x", "surplus", "", "--set", "--gpu")))
    return Line(words=(verb, *words), sets=tuple(sets))


def _number(random: Random) -> str:
    return random.choice(ODD if random.random() < 0.05 else NUMBERS)


def _one_of(random: Random, names: Sequence[str]) -> str:
    """Draw a name; now and then one with a letter too few."""
    name = random.choice(names)
    return name[1:] if random.random() < 0.03 else name


def _options(random: Random, *, layer: bool = False) -> tuple[list[str], list[str]]:
    """Draw options that decide the numbers."""
    words: list[str] = []
    sets = []
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        symbol = _one_of(random, random.choice((EVERYDAY, EVERYDAY, EVERYDAY, SYMBOLS)))
        words += ["--set", f"{symbol}={_number(random)}"]
        sets.append(symbol)
    for name, choice in MODEL.choices.items():
        if random.random() < 0.12:
            words += [f"--{name}", _one_of(random, tuple(choice.options))]
    if random.random() < 0.3:
        words += ["--gpu", _one_of(random, GPUS)]
    if random.random() < 0.3:
        words += ["--workload", _one_of(random, tuple(MODEL.workloads))]
    if random.random() < 0.1:
        words += [random.choice(("--reserve", "--memory-utilisation", "--max-crops")), _number(random)]
    if layer and random.random() < 0.2:
        words += ["--layer", _one_of(random, LAYERS)]
    return words, sets


def _totals(random: Random) -> tuple[list[str], list[str]]:
    words, sets = _options(random, layer=True)
    if random.random() < 0.6:
        words += ["--format", random.choice(FORMATS)]
    if random.random() < 0.3:
        words += ["--by", random.choice(("total", "stage", "layer", "category", "operator", "page", "stages"))]
    if random.random() < 0.1:
        words += ["--traffic", "fused"]
    return words, sets


def _tree(random: Random) -> tuple[list[str], list[str]]:
    words, sets = _options(random, layer=True)
    return [*words, "--depth", random.choice(("1", "2", "0", "x"))], sets


def _sweep(random: Random) -> tuple[list[str], list[str]]:
    words, sets = _options(random)
    axes = ("batch=1,2", "new_tokens=0:8:4", "crop_grid=none,3x2", "gpu=l4,h200", "batch=1:", "batch=-1:3", "x=1", "1")
    words += ["--vary", random.choice(axes), "--metric", _one_of(random, METRICS)]
    return [*words, "--by", random.choice(PARTS), "--format", random.choice(("text", "csv", "json"))], sets


def _solve(random: Random) -> tuple[list[str], list[str]]:
    words, sets = _options(random)
    said = f"{_one_of(random, METRICS)} {random.choice(('<=', '>=', '<', '=', ''))} {_number(random)}"
    return [_one_of(random, EVERYDAY), said, *words, "--format", random.choice(("text", "json"))], sets


def _compare(random: Random) -> tuple[list[str], list[str]]:
    words, sets = _options(random)
    scenarios = (
        "",
        "gpu=h200",
        "batch=8",
        "batch=8,batch=9",
        "attention=eager",
        "new_tokens=",
        "gpu=x",
        "workload=tiny",
    )
    return [*(random.choice(scenarios) for _ in range(random.randint(1, 3))), *words], sets


def _formula(random: Random) -> tuple[list[str], list[str]]:
    return [random.choice((*PARTS[4:], "linear", "block", "lm_head")), "--metric", _one_of(random, METRICS)], []


def _bounds(random: Random) -> tuple[list[str], list[str]]:
    return _options(random)


def _nothing(random: Random) -> tuple[list[str], list[str]]:
    return random.choice(([], ["--format", "json"], ["--format", "csv"], ["--format", "xml"], ["surplus"])), []


_VERBS: dict[str, Callable[[Random], tuple[list[str], list[str]]]] = {
    "totals": _totals,
    "tree": _tree,
    "sweep": _sweep,
    "solve": _solve,
    "compare": _compare,
    "formula": _formula,
    "bounds": _bounds,
    **dict.fromkeys(("gpus", "workloads", "layers", "symbols", "models", "totls", "--version"), _nothing),
}

JUNK = (
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "'",
    "0",
    "-3",
    "null",
    "*a",
    "&a",
    "!!python/object:os.system",
    "\t",
    "é",
    "1/0",
    "x" * 50,
)


def broken(random: Random, text: str) -> str:
    """Change a text file in one to three places: a line less, twice or cut, a number or a word that is another one."""
    lines = text.splitlines()
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(lines))
        words = lines[place].split(" ")
        match random.randrange(5):
            case 0:
                lines[place] = ""
            case 1:
                lines.insert(place, lines[place])
            case 2:
                lines[place] = lines[place][: random.randint(0, len(lines[place]))]
            case 3:
                words[random.randrange(len(words))] = random.choice(JUNK)
                lines[place] = " ".join(words)
            case _:
                lines[place] += random.choice(JUNK)
    return "\n".join(lines) + "\n"


def picture(random: Random, folder: Path) -> Path:
    """Write what is, or nearly is, a PNG file, or something else under an odd name."""
    side = random.choice((1, 64, 600, 640, 641, 2000, 30_000, 2**31 - 1))
    header = struct.pack(">IIBBBBB", side, random.choice((1, 480, 640, 2**31 - 1)), 8, 2, 0, 0, 0)
    chunks = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    if random.random() < 0.5:
        place = random.randrange(len(chunks))
        chunks = chunks[:place] if random.random() < 0.5 else chunks[:place] + b"\xff" + chunks[place + 1 :]
    if random.random() < 0.1:
        chunks = random.choice((b"", b"%PDF-1.4\n", b"GIF89a", b"\0" * 100))
    names = (
        "a.png",
        "scan [final].png",
        ":smile:.png",
        "a\nb.png",
        "é.PNG",
        "a.pdf",
        "a.jpg",
        "a.txt",
        " .png",
        "b.jp2",
    )
    path = folder / random.choice(names)
    path.write_bytes(chunks)
    return path
