"""What was set, in words: the same in every text, heading and comment."""

from collections.abc import Iterable, Mapping
from typing import Any

_WHO = {"user": "set", "what_if": "put in", "config": "set by config.json"}
Told = Mapping[str, Mapping[str, Any]]
"""By symbol ``value``, ``origin`` and ``default`` or ``formula_gives``, as JSON has them."""


def setting_notes(overridden: Told) -> list[str]:
    """Say every symbol that somebody set and what it is otherwise, a note per who; choices have a note of their own."""
    notes: dict[str, list[str]] = {}
    same: dict[str, int] = {}
    for name, setting in overridden.items():
        who = setting["origin"]
        if who.startswith("choice "):
            continue
        said = notes.setdefault(who, [])
        # A config.json says all sizes of the network; those of the model file are counted.
        if who == "config" and setting["value"] == setting.get("default"):
            same[who] = same.get(who, 0) + 1
        else:
            said.append(f"{name} {_number(setting['value'])} ({otherwise(setting)})")
    for who, count in same.items():
        notes[who].append(f"{count} {'more ' if notes[who] else ''}as they are by default")
    return [f"{_WHO.get(who, f'set by {who}')}: {', '.join(said)}" for who, said in notes.items()]


def lifted(waived: Iterable[str]) -> list[str]:
    """Say which rules are lifted."""
    switches = ", ".join(f"--{switch.replace('_', '-')}" for switch in waived)
    return [f"rules lifted: {switches}"] if switches else []


def command_notes(command: str | None) -> list[str]:
    """Say what was typed, if anything was."""
    return [f"command: {command}"] if command else []


def otherwise(setting: Mapping[str, Any]) -> str:
    """Say what a symbol would be had nobody set it."""
    follows = "formula_gives" in setting
    value = setting["formula_gives" if follows else "default"]
    if value is None:
        return "else by its formula" if follows else "no one default"
    return f"{'its formula gives' if follows else 'default'} {_number(value)}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.12g}"
