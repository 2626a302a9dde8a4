"""Documents as JSON and YAML."""

import json
from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]


def to_json(document: Document) -> str:
    """Write JSON."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def to_yaml(document: Document) -> str:
    """Write YAML with the same names as JSON."""
    import yaml

    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120))
