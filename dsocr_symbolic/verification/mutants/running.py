"""Try every mutant on all cores: what is done is kept in the cache folder, so that a run that was stopped goes on."""

import contextlib
import hashlib
import json
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from attrs import asdict

from dsocr_symbolic.paths import PACKAGE, cache_folder, data_folders, hash_files
from dsocr_symbolic.verification.mutants.keys import FILE_KINDS, OUT
from dsocr_symbolic.verification.mutants.killing import EQUIVALENT, KILLED, SURVIVES, Fate, try_file
from dsocr_symbolic.verification.mutants.mutants import Mutant, mutants_of, mutated_files
from dsocr_symbolic.verification.workers import in_processes
from dsocr_symbolic.writing.files import clear_drafts, written_whole

_CHUNK = 100
Job = tuple[str, str, int]


def jobs() -> list[Job]:
    """List what is done in one go, a kind of file, a file and a part of its mutants; the long ones first."""
    listed = []
    for kind in FILE_KINDS:
        for file in mutated_files(kind):
            count = sum(1 for _ in mutants_of(kind, file))
            listed += [(kind, str(file), part) for part in range(-(-count // _CHUNK))]
    return sorted(listed, key=lambda job: job[0] not in ("model", "metrics"))


def run_job(job: Job, folder: Path) -> list[Fate]:
    """Try the mutants of a job, unless it is known what becomes of them."""
    kind, file, part = job
    done = folder / f"{kind}-{Path(file).stem}-{part}.json"
    if done.is_file():
        return [Fate(**fate) for fate in json.loads(done.read_text(encoding="utf-8"))]
    chosen = islice(mutants_of(kind, Path(file)), part * _CHUNK, (part + 1) * _CHUNK)
    fates = try_file(kind, Path(file), chosen)
    # What cannot be kept is tried once more by the next run.
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        clear_drafts(folder)
        with written_whole(done) as draft:
            draft.write_text(json.dumps([asdict(fate) for fate in fates]), encoding="utf-8")
    return fates


def run_all(workers: int) -> Iterator[tuple[Job, list[Fate]]]:
    """Run every job, in no fixed order."""
    folder = cache_folder() / "mutants" / _digest()
    if workers == 1:
        yield from ((job, run_job(job, folder)) for job in jobs())
        return
    todo = jobs()
    for place, fates in in_processes(run_job, [(job, folder) for job in todo], workers):
        yield todo[place], fates


def _digest() -> str:
    """Hash what mutants are made of and tried by: all formulas, datasheets and code."""
    digest = hashlib.sha256()
    folders = [*data_folders("formulas"), *data_folders("hardware"), PACKAGE]
    hash_files(
        digest, (path for folder in folders for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.py")]))
    )
    return digest.hexdigest()[:32]


def sample(each: int, *, seed: int, kinds: Iterable[str] = FILE_KINDS, quick: Container[str] = ()) -> list[Mutant]:
    """Draw some mutants of every key of every kind of file, of ``quick`` files where these have the key."""
    random = Random(seed)  # noqa: S311 - draws, no secrets
    chosen: list[Mutant] = []
    for kind in kinds:
        by_key: dict[str, list[Mutant]] = {}
        for file in mutated_files(kind):
            for mutant in mutants_of(kind, file):
                by_key.setdefault(mutant.key, []).append(mutant)
        for mutants in by_key.values():
            preferred = [mutant for mutant in mutants if mutant.file.stem in quick] or mutants
            chosen += random.sample(preferred, min(each, len(preferred)))
    return chosen


def result(tried: Mapping[Job, list[Fate]]) -> dict[str, Any]:
    """Sum up: numbers by kind of file and by key, and each mutant that was not killed; JSON-ready."""
    kinds: dict[str, dict[str, int]] = {}
    keys: dict[str, dict[str, dict[str, int]]] = {}
    layers: dict[str, dict[str, int]] = {}
    alive: dict[str, list[dict[str, str]]] = {EQUIVALENT: [], SURVIVES: []}
    for (kind, file, _), fates in sorted(tried.items()):
        for fate in fates:
            for row in (kinds.setdefault(kind, _row()), keys.setdefault(kind, {}).setdefault(fate.key, _row())):
                row["mutants"] += 1
                row[fate.fate] += 1
            of_file = layers.setdefault(f"{Path(file).parent.name}/{Path(file).stem}", {"killed": 0, "total": 0})
            of_file["total"] += 1
            of_file["killed"] += fate.fate == KILLED
            if fate.fate != KILLED:
                alive[fate.fate].append({"kind": kind, "mutant": fate.name, "why": fate.by})
    out = {why: ", ".join(key for key, reason in OUT.items() if reason == why) for why in dict.fromkeys(OUT.values())}
    return {
        "kinds": kinds,
        "keys": keys,
        "layers": layers,
        "equivalent": alive[EQUIVALENT],
        "survivors": alive[SURVIVES],
        "out": out,
    }


def _row() -> dict[str, int]:
    return {"mutants": 0, KILLED: 0, EQUIVALENT: 0, SURVIVES: 0}
