"""Read operator and layer files into formulas."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.expression import Expression, parse
from dsocr_symbolic.language.fields import check_keys, flag, formulas, table, text, words
from dsocr_symbolic.language.formula import (
    EMPTY,
    ROLES,
    Binding,
    Call,
    Example,
    Gradient,
    Layer,
    Operator,
    Repeat,
    Symbol,
    Tensor,
)
from dsocr_symbolic.language.strict_yaml import read_yaml

_SHARED = ["summary", "class", "category", "why", "source", "symbols", "let", "tensors", "example"]


_OPERATOR = [*_SHARED, "aten", "members", "tensor_core_flops", "cuda_core_flops", "backward"]


_GRADIENT = ["gives", "reads", "when", "tensor_core_flops", "cuda_core_flops"]


_LAYER = [*_SHARED, "slots", "holds", "children"]


_CALL = ["use", "with", "reads", "writes", "skip", "keeps", "when", "repeat", "module", "category", "inline", "slots"]


_DTYPE = {"weight": "weight", "past": "kv", "cache": "kv"}


ONE = parse(1, "1")


def read_operators(path: Path) -> list[Operator]:
    """Read an operator file.

    Parameters
    ----------
    path : Path
        The file; its stem is the operator's name.

    Returns
    -------
    list of Operator
        One operator, or one for each member of a family.

    Raises
    ------
    UserError
        If the file breaks the schema.
    """
    raw = check_keys(read_yaml(path), _OPERATOR, str(path), required=["summary", "category", "symbols", "tensors"])
    if "members" not in raw:
        aten, category = text(raw, "aten", str(path)), text(raw, "category", str(path))
        return [_operator(path, raw, name=path.stem, aten=aten, bound=EMPTY, category=category)]
    result = []
    for name, member in table(raw, "members", str(path), lambda _, value, __: value).items():
        where = f"{path}: members: {name}"
        check_keys(member, ["aten", "flops", "category", "backward"], where, required=["aten"])
        bound = {"flops": parse(member["flops"], where)} if "flops" in member else EMPTY
        category = text(member, "category", where, text(raw, "category", str(path)))
        own = {**raw, **({"backward": member["backward"]} if "backward" in member else {})}
        result.append(_operator(path, own, name=name, aten=text(member, "aten", where), bound=bound, category=category))
    return result


def _operator(
    path: Path, raw: Mapping[str, Any], *, name: str, aten: str, bound: Mapping[str, Expression], category: str
) -> Operator:
    where = str(path)
    return Operator(
        **(_shared(path, raw, name) | {"category": category, "let": {**formulas(raw, "let", where), **bound}}),
        family=path.stem,
        aten=aten,
        tensor_core_flops=parse(raw.get("tensor_core_flops", 0), f"{where}: tensor_core_flops"),
        cuda_core_flops=parse(raw.get("cuda_core_flops", 0), f"{where}: cuda_core_flops"),
        backward=_backward(raw, f"{where}: {name}: backward"),
    )


def _backward(raw: Mapping[str, Any], where: str) -> tuple[Gradient, ...] | None:
    """Read the launches of a backward; no key means that no gradient passes."""
    if "backward" not in raw:
        return None
    launches = raw["backward"]
    if not isinstance(launches, list):
        raise UserError(f"{where}: expected a list of launches, found {launches!r}")
    return tuple(_gradient(each, f"{where}: {place}", raw["tensors"]) for place, each in enumerate(launches, start=1))


def _gradient(raw: Any, where: str, tensors: Mapping[str, Any]) -> Gradient:
    check_keys(raw, _GRADIENT, where, required=["gives"])
    named = {key: tuple(name for names in words(raw, key, where) for name in names) for key in ("gives", "reads")}
    for key, names in named.items():
        for name in names:
            if name not in tensors:
                raise UserError(f"{where}: {key}: unknown tensor '{name}': {nearest(name, tensors)}")
    return Gradient(
        gives=named["gives"],
        reads=named["reads"],
        when=parse(raw["when"], f"{where}: when") if "when" in raw else None,
        tensor_core_flops=parse(raw.get("tensor_core_flops", 0), f"{where}: tensor_core_flops"),
        cuda_core_flops=parse(raw.get("cuda_core_flops", 0), f"{where}: cuda_core_flops"),
    )


def read_layer(path: Path) -> Layer:
    """Read a layer file.

    Parameters
    ----------
    path : Path
        The file; its stem is the layer's name.

    Returns
    -------
    Layer
        The layer.

    Raises
    ------
    UserError
        If the file breaks the schema.
    """
    where = str(path)
    raw = check_keys(read_yaml(path), _LAYER, where, required=["summary", "symbols", "tensors", "children"])
    return Layer(
        **_shared(path, raw, path.stem),
        slots=table(raw, "slots", where, _binding),
        holds=frozenset(name for names in words(raw, "holds", where) for name in names),
        calls=tuple(table(raw, "children", where, read_call).values()),
    )


def _shared(path: Path, raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    where = str(path)
    return {
        "name": name,
        "file": where,
        "summary": text(raw, "summary", where),
        "class_name": text(raw, "class", where, ""),
        "category": text(raw, "category", where, ""),
        "why": " ".join(text(raw, "why", where, "").split()),
        "source": text(raw, "source", where, ""),
        "symbols": table(raw, "symbols", where, _symbol),
        "let": formulas(raw, "let", where),
        "tensors": table(raw, "tensors", where, _tensor),
        "example": _example(raw.get("example", {}), f"{where}: example"),
    }


def _symbol(_: str, raw: Any, where: str) -> Symbol:
    match raw:
        case [str(letter), str(meaning)]:
            return Symbol(letter=letter, meaning=meaning)
        case [str(letter), *meaning] if meaning and all(isinstance(each, str) for each in meaning):
            raise UserError(f"{where}: a meaning with a comma needs quotes")
    raise UserError(f"{where}: expected [letter, meaning], found {raw!r}")


def _tensor(_: str, raw: Any, where: str) -> Tensor:
    check_keys(raw, ["role", "shape", "dtype", "read", "runs", "gradient"], where, required=["role", "shape"])
    if raw["role"] not in ROLES:
        raise UserError(f"{where}: role: '{raw['role']}' is none of {', '.join(ROLES)}")
    return Tensor(
        role=raw["role"],
        shape=_shape(raw["shape"], f"{where}: shape"),
        dtype=parse(raw.get("dtype", _DTYPE.get(raw["role"], "activation")), f"{where}: dtype"),
        read=_shape(raw.get("read", raw["shape"]), f"{where}: read"),
        runs=flag(raw, "runs", where, default=True),
        gradient=flag(raw, "gradient", where, default=True),
    )


def _shape(raw: Any, where: str) -> tuple[Expression, ...]:
    if not isinstance(raw, list) or not raw:
        raise UserError(f"{where}: expected a list of sizes, found {raw!r}")
    return tuple(parse(each, where) for each in raw)


def _example(raw: Any, where: str) -> Example:
    check_keys(raw, ["member", "with", "gives"], where)
    return Example(given=formulas(raw, "with", where), gives=raw.get("gives", {}))


def _binding(_: str, raw: Any, where: str) -> Binding:
    check_keys(raw, ["use", "with"], where, required=["use"])
    return Binding(use=text(raw, "use", where), given=formulas(raw, "with", where))


def read_call(name: str, raw: Any, where: str) -> Call:
    """Read one line of a layer.

    Parameters
    ----------
    name : str
        The child's name.
    raw : object
        What the file says of it.
    where : str
        File and place, for errors.

    Returns
    -------
    Call
        The call.

    Raises
    ------
    UserError
        If the line breaks the schema.
    """
    check_keys(raw, _CALL, where, required=["use"])
    reads = words(raw, "reads", where)
    writes = words(raw, "writes", where)
    if any(len(each) != 1 for each in writes):
        raise UserError(f"{where}: writes: expected a name or a list of names, found {raw['writes']!r}")
    return Call(
        name=name,
        use=text(raw, "use", where),
        given=formulas(raw, "with", where),
        reads=reads,
        writes=tuple(each[0] for each in writes),
        skip=text(raw, "skip", where, reads[0][0] if reads and reads[0] else ""),
        keeps=tuple(name for names in words(raw, "keeps", where) for name in names),
        when=parse(raw["when"], f"{where}: when") if "when" in raw else None,
        repeat=_repeat(raw.get("repeat", {}), f"{where}: repeat"),
        module=text(raw, "module", where, ""),
        category=text(raw, "category", where, ""),
        inline=flag(raw, "inline", where, default=False),
        slots=table(raw, "slots", where, _binding),
    )


def _repeat(raw: Any, where: str) -> Repeat:
    check_keys(raw, ["copies", "calls", "over", "last"], where)
    copies = parse(raw.get("copies", 1), f"{where}: copies")
    if ("over" in raw) != ("last" in raw):
        raise UserError(f"{where}: 'over' names a step and 'last' its last value; give both or neither")
    return Repeat(
        copies=copies,
        calls=parse(raw["calls"], f"{where}: calls") if "calls" in raw else copies,
        index=text(raw, "over", where) if "over" in raw else None,
        last=parse(raw["last"], f"{where}: last") if "last" in raw else None,
    )
