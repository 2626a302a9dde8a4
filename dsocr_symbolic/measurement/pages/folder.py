"""Pages of a user's folder, to be measured in the place of made ones."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.measurement.pages.records import PageRecord, drawn_record, opened_record
from dsocr_symbolic.scenario.documents import SUFFIXES
from dsocr_symbolic.scenario.page_contents import pdf_contents

DPI = 144.0
_MOST, _FEWEST, _MOST_PAGES = 200, 6, 8


def folder_records(folder: Path, made: Sequence[PageRecord]) -> list[PageRecord]:
    """Return the pages of a folder with the steps behind; of kinds with few pages there the made ones besides.

    Kinds of which the folder has no page are left out: nothing is claimed of them.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder; name one with pages, or none: pages are made then")
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not paths:
        raise UserError(f"{folder}: holds no image or PDF; name another folder, or none: pages are made then")
    found = [record for path in paths[:_MOST] for record in _records(path)]
    found = [record for record in found if record.use]
    if not found:
        raise UserError(f"{folder}: none of its {len(paths)} pages can be read, or is of a kind that has a formula")
    count = Counter(record.use for record in found)
    kept = [
        record
        for record in made
        if record.group == "tiny" or record.use in ("resize", "copy", "tensor") or 0 < count[record.use] < _FEWEST
    ]
    return [*found, *kept]


def _records(path: Path) -> list[PageRecord]:
    """Return the records of a file; of one that cannot be read none."""
    try:
        data = path.read_bytes()
        if b"%PDF-" not in data[:1024]:
            record = opened_record(f"{path.name}", "", data)
            record.call()
            return [_grouped(record, record.use)]
        pages = pdf_contents(data, DPI)[:_MOST_PAGES]
        return [drawn_record(f"{path.name}:{page + 1}", "scans", data, DPI, page) for page in range(len(pages))]
    except Exception:  # noqa: BLE001 - decoders raise almost anything on a malformed file
        return []


def _grouped(record: PageRecord, group: str) -> PageRecord:
    return PageRecord(name=record.name, group=group, use=record.use, amounts=record.amounts, call=record.call)
