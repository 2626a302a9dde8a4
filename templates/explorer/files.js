// The sizes of pages in picture and PDF files, read in the browser; nothing leaves it.
const text = (bytes) => { let read = ""; for (let at = 0; at < bytes.length; at += 32768) read += String.fromCharCode(...bytes.subarray(at, at + 32768)); return read; };
const pngSize = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return [view.getUint32(16), view.getUint32(20)];
};
// Frames that give a size, and whether the picture is stored on its side.
const jpegSize = (bytes) => {
  let at = 2, turned = false;
  while (at + 9 < bytes.length) {
    if (bytes[at] !== 0xff) { at += 1; continue; }
    const marker = bytes[at + 1];
    if (marker === 0xff) { at += 1; continue; }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { at += 2; continue; }
    const length = bytes[at + 2] * 256 + bytes[at + 3];
    if (marker === 0xe1) turned = onItsSide(bytes.subarray(at + 4, at + 2 + length)) || turned;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const size = [bytes[at + 7] * 256 + bytes[at + 8], bytes[at + 5] * 256 + bytes[at + 6]];
      return turned ? size.reverse() : size;
    }
    at += 2 + length;
  }
  throw new Error("no frame with a size");
};
const onItsSide = (segment) => {
  if (text(segment.subarray(0, 4)) !== "Exif") return false;
  const view = new DataView(segment.buffer, segment.byteOffset + 6, segment.length - 6);
  try {
    const little = view.getUint16(0) === 0x4949, first = view.getUint32(4, little);
    for (let entry = 0; entry < view.getUint16(first, little); entry += 1) {
      const place = first + 2 + 12 * entry;
      if (view.getUint16(place, little) === 0x0112) return view.getUint16(place + 8, little) >= 5;
    }
  } catch { return false; }
  return false;
};
const inflated = async (bytes) => {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};
// Objects of a PDF: those that stand in the open, and those inside compressed streams of objects.
const pdfObjects = async (bytes) => {
  const whole = text(bytes), objects = new Map();
  const pattern = /(\d+)\s+\d+\s+obj\b/g;
  const starts = [...whole.matchAll(pattern)];
  for (let place = 0; place < starts.length; place += 1) {
    const begin = starts[place].index + starts[place][0].length;
    let end = whole.indexOf("endobj", begin);
    if (end < 0) end = whole.length;
    const stream = whole.indexOf("stream", begin);
    const head = whole.slice(begin, stream > 0 && stream < end ? stream : end);
    objects.set(Number(starts[place][1]), head);
    if (/\/Type\s*\/ObjStm/.test(head) && stream > 0) {
      if (!/\/FlateDecode/.test(head)) continue;
      const from = stream + (whole.startsWith("stream\r\n", stream) ? 8 : 7);
      const length = /\/Length\s+(\d+)(?!\s+\d+\s+R)/.exec(head);
      const to = length ? from + Number(length[1]) : whole.indexOf("endstream", from);
      const content = text(await inflated(bytes.subarray(from, to)));
      const first = Number(/\/First\s+(\d+)/.exec(head)[1]), count = Number(/\/N\s+(\d+)/.exec(head)[1]);
      const numbers = content.slice(0, first).trim().split(/\s+/).map(Number);
      for (let inner = 0; inner < count; inner += 1) {
        const until = inner + 1 < count ? first + numbers[2 * inner + 3] : content.length;
        objects.set(numbers[2 * inner], content.slice(first + numbers[2 * inner + 1], until));
      }
    }
  }
  return objects;
};
const pdfSizes = async (bytes, dpi) => {
  const objects = await pdfObjects(bytes), sizes = [];
  if ([...objects.values()].length === 0) throw new Error("no objects of a PDF");
  if (/\/Encrypt\s+\d+\s+\d+\s+R/.test(text(bytes))) throw new Error("it is encrypted");
  // What a page does not say itself, the groups of pages above it do.
  const inherited = (page, pattern, depth = 0) => {
    const own = pattern.exec(page);
    if (own || depth > 20) return own;
    const parent = /\/Parent\s+(\d+)\s+\d+\s+R/.exec(page);
    return parent && objects.has(Number(parent[1])) ? inherited(objects.get(Number(parent[1])), pattern, depth + 1) : null;
  };
  const box = (page, key) => {
    const found = inherited(page, new RegExp(`/${key}\\s*\\[\\s*([-\\d.]+)\\s+([-\\d.]+)\\s+([-\\d.]+)\\s+([-\\d.]+)\\s*\\]`));
    return found && found.slice(1, 5).map(Number);
  };
  const visit = (number, depth = 0) => {
    const object = objects.get(number);
    if (!object || depth > 50) return;
    if (/\/Type\s*\/Pages\b/.test(object) || /\/Kids\s*\[/.test(object)) {
      const kids = /\/Kids\s*\[([^\]]*)\]/.exec(object);
      for (const kid of kids ? kids[1].matchAll(/(\d+)\s+\d+\s+R/g) : []) visit(Number(kid[1]), depth + 1);
      return;
    }
    const media = box(object, "MediaBox") ?? [0, 0, 612, 792], crop = box(object, "CropBox") ?? media;
    const [left, bottom, right, top] = [Math.max(crop[0], media[0]), Math.max(crop[1], media[1]), Math.min(crop[2], media[2]), Math.min(crop[3], media[3])];
    const turn = inherited(object, /\/Rotate\s+(-?\d+)/), unit = /\/UserUnit\s+([\d.]+)/.exec(object);
    const scale = dpi / 72 * (unit ? Number(unit[1]) : 1);
    const size = [(right - left) * scale, (top - bottom) * scale].map((side) => Math.ceil(side));
    sizes.push(turn && Math.abs(Number(turn[1])) % 180 === 90 ? size.reverse() : size);
  };
  const roots = [...objects.values()].filter((object) => /\/Type\s*\/Catalog\b/.test(object));
  for (const root of roots.slice(-1)) { const pages = /\/Pages\s+(\d+)\s+\d+\s+R/.exec(root); if (pages) visit(Number(pages[1])); }
  if (!sizes.length) throw new Error("no pages can be found in it");
  return sizes;
};
// Sizes of the pages of a file in pixels.
const pageSizes = async (bytes, dpi) => {
  if (bytes.length > 24 && bytes[0] === 0x89 && text(bytes.subarray(1, 4)) === "PNG") return [pngSize(bytes)];
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return [jpegSize(bytes)];
  if (text(bytes.subarray(0, 1024)).includes("%PDF-")) return pdfSizes(bytes, dpi);
  throw new Error("it is no PNG, JPEG or PDF");
};

// The crop grid that the network chooses: the one whose shape is nearest, of equals a larger one if the page fills half.
const cropGrid = (width, height, { side, uncut, least, most }) => {
  if (width <= uncut && height <= uncut) return [0, 0];
  const grids = [];
  for (let columns = 1; columns <= most; columns += 1) {
    for (let rows = 1; rows <= Math.floor(most / columns); rows += 1) if (columns * rows >= least) grids.push([columns, rows]);
  }
  grids.sort((a, b) => a[0] * a[1] - b[0] * b[1]);
  let best = [0, 0], smallest = Infinity;
  for (const [columns, rows] of grids) {
    const distance = Math.abs(width / height - columns / rows);
    const fills = width * height > 0.5 * side * side * columns * rows;
    if (distance < smallest || (distance === smallest && fills)) { best = [columns, rows]; smallest = distance; }
  }
  return best;
};
