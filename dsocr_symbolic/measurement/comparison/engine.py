"""Read what a serving engine says of itself: its log, and the JSON of its serving benchmark."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.files.server_file import load_server

_NUMBER = r"([\d,]+(?:\.\d+)?)"
_GIB = 2**30
# What a log says, by the names of what a server holds; of several such lines the last one counts.
_LINES: Mapping[str, tuple[str, int]] = {
    "tokens": (rf"GPU KV cache size: {_NUMBER} tokens|max_total_num_tokens={_NUMBER}", 1),
    "pages": (rf"# (?:GPU|cuda|CUDA) blocks: {_NUMBER}", 1),
    "bytes": (rf"Available KV cache memory: {_NUMBER} GiB", _GIB),
    "weight_bytes": (rf"[Mm]odel loading took {_NUMBER} ?GiB|model weights take {_NUMBER} ?GiB", _GIB),
    "activation_bytes": (rf"PyTorch activation peak memory takes {_NUMBER} ?GiB", _GIB),
    "graph_bytes": (rf"Estimated CUDA graph memory: {_NUMBER} GiB", _GIB),
}
_LONGEST = re.compile(rf"Maximum concurrency for {_NUMBER} tokens per request: {_NUMBER}x")
_POOL = ("tokens", "pages", "longest_requests")
# Counts of a benchmark that say what it ran.
_RAN = ("max_concurrency", "completed", "num_prompts", "total_input_tokens", "total_output_tokens", "duration")


@frozen(kw_only=True)
class EngineFile:
    """What an engine says.

    Attributes
    ----------
    kind : str
        ``log`` or ``benchmark``.
    said : mapping of str to float
        By the names of what a server holds in formulas/server.yaml, or by the benchmark's own keys; in SI units but for
        what a key says in ms.
    told : mapping of str to int
        Symbols that the engine's words give, such as max_model_len.
    ran : mapping of str to float
        Counts of a benchmark that say what it ran.
    """

    kind: str
    said: Mapping[str, float]
    told: Mapping[str, int]
    ran: Mapping[str, float]


def read_engine(path: Path) -> EngineFile | None:
    """Read a log or a benchmark's result; None for a JSON file that has a schema of its own.

    Raises
    ------
    UserError
        If the file cannot be read, or says nothing that can be compared.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if text.lstrip()[:1] not in ("{", "["):
        return _log(path, text)
    try:
        # Tools append one result a line: the last one counts.
        content = json.loads(text) if text.count("\n{") == 0 else json.loads(text.strip().rpartition("\n")[2])
    except (ValueError, RecursionError):
        # A log may begin with a bracket, such as that of a date.
        return _log(path, text) if text.lstrip().startswith("[") else None
    if isinstance(content, dict) and "schema" in content:
        return None
    return _benchmark(path, content if isinstance(content, dict) else {})


def _log(path: Path, text: str) -> EngineFile:
    said: dict[str, float] = {}
    told: dict[str, int] = {}
    for name, (pattern, unit) in _LINES.items():
        if found := re.findall(pattern, text):
            last = found[-1] if isinstance(found[-1], str) else next(filter(None, found[-1]))
            said[name] = _number(last) * unit
    if longest := _LONGEST.findall(text):
        told["max_model_len"] = int(_number(longest[-1][0]))
        said["longest_requests"] = _number(longest[-1][1])
    if "graph_bytes" in said:
        told["graph_bytes"] = round(said["graph_bytes"])
    if not said.keys() & {*_POOL}:
        raise UserError(
            f"{path}: no line 'GPU KV cache size: N tokens', 'max_total_num_tokens=N' or 'Maximum concurrency for N"
            " tokens per request': give the log of an engine's start, or the JSON of its serving benchmark"
        )
    return EngineFile(kind="log", said=said, told=told, ran={})


def _benchmark(path: Path, content: Mapping[str, Any]) -> EngineFile:
    numbers = {
        str(key): float(value)
        for key, value in content.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    }
    known = load_server().benchmark
    said = {key: numbers[key] for key in numbers if key in known or re.fullmatch(r"p\d+_(ttft|tpot|itl|e2el)_ms", key)}
    if not said.keys() & known.keys():
        raise UserError(f"{path}: has none of the keys {', '.join(known)}: give the JSON of an engine's benchmark")
    ran = {key: numbers[key] for key in _RAN if key in numbers}
    told: dict[str, int] = {}
    if ran.get("max_concurrency"):
        told["batch"] = int(ran["max_concurrency"])
    requests = ran.get("completed") or ran.get("num_prompts")
    if requests and ran.get("total_output_tokens"):
        # The first token of a request is the forward's over its prompt.
        told["new_tokens"] = max(1, round(ran["total_output_tokens"] / requests) - 1)
    return EngineFile(kind="benchmark", said=said, told=told, ran=ran)


def _number(text: str) -> float:
    return float(text.replace(",", ""))
