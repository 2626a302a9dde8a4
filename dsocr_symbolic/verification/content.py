"""What the results of a verification hang on: the formulas, the code that evaluates them, and the code that counts."""

import hashlib

from dsocr_symbolic.paths import PACKAGE, data_folders

# Packages with a part in a number of a formula or a count; mutants and their expectations have a record of their own.
_CODE = ("algebras", "language", "network", "evaluation", "scenario", "verification")
_APART = ("mutants", "expectations")


def content_digest() -> str:
    """Hash all formulas of ours and the code behind formulas and counts."""
    digest = hashlib.sha256()
    folder = data_folders("formulas")[-1]
    code = [path for name in _CODE for path in (PACKAGE / name).rglob("*.py") if not {*path.parts} & {*_APART}]
    for path in [*sorted(folder.rglob("*.yaml")), *sorted(code)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
