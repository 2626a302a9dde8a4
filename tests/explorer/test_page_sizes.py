"""What the page reads of files, and how it cuts pages, in node: as the command line does."""

import json
import random
import subprocess
from pathlib import Path

from PIL import Image
from scenarios import TEMPLATES, need_node

from dsocr_symbolic.scenario.crop_grids import crop_grid
from dsocr_symbolic.scenario.documents import read_pages

_READ = """
const { readFileSync } = require("fs");
const asked = JSON.parse(readFileSync("asked.json", "utf-8"));
(async () => {
  const sizes = [];
  for (const file of asked.files) {
    try { sizes.push(await pageSizes(new Uint8Array(readFileSync(file)), 144)); }
    catch (error) { sizes.push(error.message); }
  }
  const grids = asked.pages.map(([width, height, cut]) => cropGrid(width, height, cut));
  console.log(JSON.stringify({ sizes, grids }));
})();
"""


def _run(folder: Path, files: list[str], pages: list[object]) -> dict[str, list[object]]:
    (folder / "asked.json").write_text(json.dumps({"files": files, "pages": pages}))
    (folder / "read.js").write_text((TEMPLATES / "files.js").read_text() + _READ)
    ran = subprocess.run([need_node(), "read.js"], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, list[object]] = json.loads(ran.stdout)
    return found


def test_pages_have_the_sizes_and_grids_that_the_command_line_finds(tmp_path: Path) -> None:
    Image.new("RGB", (1234, 777)).save(tmp_path / "a.png")
    Image.new("L", (640, 481)).save(tmp_path / "b.jpg", progressive=True)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (300, 200)).save(tmp_path / "c.jpg", exif=turned)
    images = [Image.new("RGB", size) for size in ((900, 700), (701, 1999), (100, 100))]
    images[0].save(tmp_path / "d.pdf", save_all=True, append_images=images[1:], resolution=133.7)
    (tmp_path / "e.txt").write_text("no picture")
    files = ["a.png", "b.jpg", "c.jpg", "d.pdf"]
    chance = random.Random(2)
    pages = [
        (chance.randint(1, 4000), chance.randint(1, 4000), {"side": 640, "uncut": 640, "least": 2, "most": most})
        for most in (2, 6, 9, 16)
        for _ in range(200)
    ]
    found = _run(tmp_path, [*files, "e.txt"], [list(page) for page in pages])
    ours = read_pages([str(tmp_path / name) for name in files], dpi=144.0)
    assert [size for sizes in found["sizes"][:-1] for size in sizes] == [[page.width, page.height] for page in ours]  # type: ignore[attr-defined]
    assert found["sizes"][-1] == "it is no PNG, JPEG or PDF"
    assert found["grids"] == [list(crop_grid(width, height, **cut)) for width, height, cut in pages]
