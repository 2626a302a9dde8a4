"""Pages that are made: text, photographs and forms as pictures, and PDFs of text or of one picture."""

import random
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np

_LETTERS = "etaoinshrdluETAOIN,."
_FEATURES = (3, 9, 27, 81, 243)
_GREY = 128
A4 = (595, 842)
"""In points."""


def words(rng: random.Random, length: int) -> str:
    """Return words that no language has, of about so many letters."""
    line = ""
    while len(line) < length:
        line += "".join(rng.choice(_LETTERS) for _ in range(rng.randint(2, 9))) + " "
    return line


def text(width: int, height: int, seed: int) -> Any:
    """Draw lines of black text on white."""
    from PIL import Image, ImageDraw, ImageFont

    rng = random.Random(seed)  # noqa: S311 - no secret
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    y = height // 20
    while y < height * 19 // 20:
        size = rng.choice((height // 90 + 4, height // 90 + 4, height // 60 + 4))
        for _ in range(rng.randint(2, 7)):
            pen.text((width // 14, y), words(rng, width * 12 // (size * 7)), fill=0, font=ImageFont.load_default(size))
            y += int(size * 1.35)
        y += size
    return image


def photo(width: int, height: int, seed: int) -> Any:
    """Draw what has as much detail on each scale as a photograph, with some noise of a sensor."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    light = np.full((height, width, 3), float(_GREY))
    for feature in _FEATURES:
        rough = rng.normal(0, 2.2 * feature**0.5, (max(height // feature, 2), max(width // feature, 2), 3))
        for band in range(3):
            layer = Image.fromarray(rough[..., band].astype(np.float32))
            light[..., band] += np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC))
    light += rng.normal(0, 2.0, (height, width, 1))
    return Image.fromarray(np.clip(light, 0, 255).astype(np.uint8))


def form(width: int, height: int, seed: int) -> Any:
    """Draw a table with shaded rows, a small photograph and a few lines of text, as slides and reports have."""
    from PIL import ImageDraw, ImageFont

    rng = random.Random(seed)  # noqa: S311 - no secret
    image = text(width, height, seed)
    pen = ImageDraw.Draw(image)
    rows, top = rng.randint(6, 14), height // 8
    step = max(height // 40, 4)
    for row in range(rows):
        shade = tuple(rng.randint(190, 255) for _ in range(3))
        box = (width // 14, top + row * step, width * 13 // 14, top + (row + 1) * step)
        pen.rectangle(box, fill=shade, outline=(90, 90, 90))
        pen.text(
            (box[0] + 4, box[1] + 2), words(rng, 30), fill=(20, 20, 90), font=ImageFont.load_default(step // 2 + 3)
        )
    image.paste(photo(width // 3, height // 4, seed), (width // 2, height * 5 // 8))
    return image


PICTURES = {"text": text, "photo": photo, "form": form}


def saved(image: Any, form: str, settings: Mapping[str, Any]) -> bytes:
    """Return a picture as a file."""
    file = BytesIO()
    image.save(file, form, **settings)
    return file.getvalue()


def text_pdf(points: int, seed: int, leading: float = 1.3) -> bytes:
    """Write a PDF with a page of A4 full of text in a font of so many points."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    width, height = A4
    lines = []
    y = float(height - 50)
    while y > 50:  # noqa: PLR2004 - the margin
        lines.append(f"BT /F1 {points} Tf 50 {y:.1f} Td ({words(rng, int((width - 100) / points / 0.5))}) Tj ET")
        y -= points * leading
    return _pdf("\n".join(lines).encode())


def _pdf(content: bytes) -> bytes:
    parts = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>" % A4,
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    return numbered(parts)


def numbered(parts: Sequence[bytes]) -> bytes:
    """Write objects, the catalogue first, as a PDF."""
    file, places = bytearray(b"%PDF-1.4\n"), []
    for number, part in enumerate(parts, start=1):
        places.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(parts) + 1, len(file))
    return bytes(file + b"xref\n0 %d\n0000000000 65535 f \n%b%b" % (len(parts) + 1, table, end))


def scan_pdf(image: Any, settings: Mapping[str, Any]) -> bytes:
    """Write a PDF whose page, as wide as A4, is one picture, of which Pillow makes a JPEG."""
    return saved(image, "PDF", {"resolution": image.width * 72 / A4[0], **settings})
