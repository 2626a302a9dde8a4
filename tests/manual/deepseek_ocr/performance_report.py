"""Make a performance report in a temporary folder and check it. Run: python performance_report.py [WORKLOAD [GPU]]."""

import json
import re
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from dsocr_command import check, dsocr


def main(workload: str = "gundam", gpu: str = "rtx5090") -> None:
    """Make it, read it, make it again, and try to have something foreign overwritten."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "report"
        made = dsocr("report", "--workload", workload, "--gpu", gpu, "--out", folder)
        check(made.returncode == 0, f"the report was made: {made.stdout.strip() or made.stderr.strip()}")
        check_text(folder)
        check_data(folder, workload, gpu)
        check_again(folder, workload, gpu)


def check_text(folder: Path) -> None:
    """Every figure that the text shows is there, is SVG, and is shown once."""
    text = (folder / "report.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    check(len(shown) > 0, f"the text shows {len(shown)} figures")
    check(sorted(shown) == sorted(path.name for path in folder.glob("*.svg")), "each figure is there and is shown once")
    for name in shown:
        root = ET.parse(folder / name).getroot()  # noqa: S314 - made by us a moment ago
        words = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
        check(root.tag.endswith("svg") and len(words) > 0, f"{name} is SVG with {len(words)} pieces of text")


def check_data(folder: Path, workload: str, gpu: str) -> None:
    """The data can be read, and says what the text says."""
    data = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    check(isinstance(data["schema_version"], int), f"report.json has schema_version {data['schema_version']}")
    check((folder / "report.yaml").stat().st_size > 0, "report.yaml is there")
    totals = json.loads(dsocr("totals", "--workload", workload, "--gpu", gpu, "--format", "json").stdout)
    text = (folder / "report.md").read_text(encoding="utf-8")
    time = totals["total"]["roofline_s"]
    shown = f"{time:.4g} s" if time >= 1 else f"{time * 1e3:.4g} ms"
    check(shown in text, f"the text says {shown}, as dsocr totals does")


def check_again(folder: Path, workload: str, gpu: str) -> None:
    """The same question gives the same bytes; a report that cannot be read is not overwritten unless asked to."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = dsocr("report", "--workload", workload, "--gpu", gpu, "--out", folder)
    check(again.returncode == 0, "a report of this version is replaced")
    check({path.name: path.read_bytes() for path in folder.iterdir()} == before, "every file has the same bytes")
    cut = folder / "report.json"
    cut.write_text(cut.read_text(encoding="utf-8")[:100], encoding="utf-8")
    refused = dsocr("report", "--workload", workload, "--gpu", gpu, "--out", folder)
    check(refused.returncode == 2 and refused.stderr.count("\n") == 1, f"cut off, refused: {refused.stderr.strip()}")
    forced = dsocr("report", "--workload", workload, "--gpu", gpu, "--out", folder, "--force")
    check(forced.returncode == 0 and cut.read_bytes() == before["report.json"], "replaced with --force")


if __name__ == "__main__":
    main(*sys.argv[1:])
