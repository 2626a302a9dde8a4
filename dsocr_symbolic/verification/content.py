"""What the results of a verification hang on: the formulas, the code that evaluates them, and the code that counts."""

import hashlib
from functools import cache

from dsocr_symbolic.paths import PACKAGE, data_folders, hash_files

# Packages with a part in a number of a formula or a count; mutants and their expectations have a record of their own.
_CODE = ("algebras", "language", "network", "evaluation", "scenario", "verification")
_APART = ("mutants", "expectations")


@cache
def content_digest() -> str:
    """Hash all formulas of ours and the code behind formulas and counts."""
    digest = hashlib.sha256()
    folder = data_folders("formulas")[-1]
    code = [path for name in _CODE for path in (PACKAGE / name).rglob("*.py")]
    # Folders of ours alone: a checkout may lie in one of the same name.
    counting = [path for path in code if not {*path.relative_to(PACKAGE).parts} & {*_APART}]
    hash_files(digest, [*sorted(folder.rglob("*.yaml")), *sorted(counting)])
    return digest.hexdigest()[:16]
