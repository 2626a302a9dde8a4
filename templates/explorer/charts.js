// Pictures as SVG, drawn from finished numbers.
const svg = (width, height, label, content) =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(label)}" preserveAspectRatio="xMinYMin meet">${content}</svg>`;
const at = (value) => Math.round(value * 10) / 10;
const label = (x, y, said, more = "") => `<text x="${at(x)}" y="${at(y)}" ${more}>${escapeHtml(said)}</text>`;
const seriesClass = (place) => `series-${place % 6}`;

// One bar per line, in parts that add up; a mark stands where something ends.
const bars = (title, lines, { unit, width, marks = [] }) => {
  const left = Math.min(150, width * 0.32), right = 74, high = 30;
  const ends = [...lines.map((line) => line.parts.reduce((sum, part) => sum + part.value, 0)), ...marks.map((mark) => mark.value)];
  const most = Math.max(...ends.filter(Number.isFinite), 1e-300), room = width - left - right;
  let content = "";
  lines.forEach((line, row) => {
    const y = row * high + 6;
    let x = left, sum = 0;
    content += label(left - 8, y + 14, line.name, 'text-anchor="end"');
    for (const part of line.parts) {
      const wide = part.value / most * room;
      if (wide > 0) content += `<rect class="${part.shade}" x="${at(x)}" y="${y}" width="${at(Math.max(wide, 0.4))}" height="20"><title>${escapeHtml(`${part.name}: ${amount(part.value, unit)}`)}</title></rect>`;
      x += wide;
      sum += part.value;
    }
    content += label(x + 6, y + 14, line.parts.length ? amount(sum, unit) : line.none);
  });
  const bottom = lines.length * high + 4;
  for (const mark of marks) {
    const x = left + mark.value / most * room;
    content += `<line class="mark" x1="${at(x)}" x2="${at(x)}" y1="0" y2="${bottom}"/>` + label(Math.min(x, width - 4), bottom + 14, `${mark.name} ${amount(mark.value, unit)}`, `text-anchor="${x > width * 0.6 ? "end" : "middle"}"`);
  }
  return svg(width, bottom + (marks.length ? 22 : 2), title, content);
};

const decades = (from, to) => {
  const found = [];
  for (let power = Math.ceil(Math.log10(from) - 1e-9); power <= Math.log10(to) + 1e-9; power += 1) found.push(10 ** power);
  return found;
};
// A frame with two logarithmic axes; what is inside is drawn by the caller.
const logFrame = ({ width, height, xs, ys, xUnit, yUnit, xName, yName }) => {
  const left = 92, right = 14, top = 12, bottom = 46;
  const span = ([from, to]) => Math.log(to / from) || 1;
  const x = (value) => left + Math.log(value / xs[0]) / span(xs) * (width - left - right);
  const y = (value) => height - bottom - Math.log(value / ys[0]) / span(ys) * (height - top - bottom);
  let content = "", xTicks = decades(...xs), yTicks = decades(...ys);
  const every = (ticks, most) => ticks.filter((tick, place) => place % Math.ceil(ticks.length / most) === 0);
  for (const tick of every(xTicks, width < 420 ? 4 : 7)) content += `<line class="grid" x1="${at(x(tick))}" x2="${at(x(tick))}" y1="${top}" y2="${height - bottom}"/>` + label(x(tick), height - bottom + 16, amount(tick, xUnit).replace(/(\.\d*?)0+(?= |$)/, "$1").replace(/\.(?= |$)/, ""), 'text-anchor="middle"');
  for (const tick of every(yTicks, 6)) content += `<line class="grid" x1="${left}" x2="${width - right}" y1="${at(y(tick))}" y2="${at(y(tick))}"/>` + label(left - 6, y(tick) + 4, amount(tick, yUnit).replace(/\.0+(?= )/, ""), 'text-anchor="end"');
  content += label((left + width - right) / 2, height - 10, xName, 'text-anchor="middle" class="axis"');
  content += `<text class="axis" text-anchor="middle" transform="translate(13 ${at((top + height - bottom) / 2)}) rotate(-90)">${escapeHtml(yName)}</text>`;
  return { content, x, y, left, right: width - right, top, bottom: height - bottom };
};

// Stages as points under the GPU's roof.
const rooflineChart = (points, { peak, bandwidth, width, height }) => {
  const shown = points.filter((point) => point.intensity > 0 && point.rate > 0);
  const ridge = peak / bandwidth;
  const xs = [Math.min(0.1, ridge / 10, ...shown.map((point) => point.intensity / 2)), Math.max(ridge * 10, ...shown.map((point) => point.intensity * 2))];
  const ys = [Math.min(xs[0] * bandwidth, ...shown.map((point) => point.rate / 2)), peak * 2];
  const frame = logFrame({ width, height, xs, ys, xUnit: "1", yUnit: "FLOP/s", xName: "FLOP per byte moved", yName: "FLOP/s" });
  const roof = [[xs[0], xs[0] * bandwidth], [ridge, peak], [xs[1], peak]].map(([x, y]) => `${at(frame.x(x))},${at(frame.y(y))}`).join(" ");
  let content = `${frame.content}<polyline class="roof" points="${roof}"/>`;
  let above = -1e9;
  for (const point of [...shown].sort((a, b) => frame.y(a.rate) - frame.y(b.rate))) {
    const x = frame.x(point.intensity), y = frame.y(point.rate), ended = x > frame.right - 90;
    const written = Math.max(y + 4, above + 13);
    above = written;
    content += `<circle class="${point.shade}" cx="${at(x)}" cy="${at(y)}" r="6"><title>${escapeHtml(`${point.name}: ${significant(point.intensity)} FLOP/byte, ${amount(point.rate, "FLOP/s")}`)}</title></circle>` + label(x + (ended ? -10 : 10), written, point.name, `text-anchor="${ended ? "end" : "start"}"`);
  }
  return svg(width, height, "Roofline: FLOP per byte against FLOP/s, a point for each stage", content);
};

// Curves of seconds against a symbol; the place where we are is marked.
const curveChart = (curves, { xName, here, width, height }) => {
  const points = curves.flatMap((curve) => curve.points.filter(([, y]) => y > 0));
  if (points.length < 2) return "";
  const xs = [Math.min(...points.map(([x]) => x)), Math.max(...points.map(([x]) => x))];
  const low = Math.min(...points.map(([, y]) => y)), high = Math.max(...points.map(([, y]) => y));
  const ys = [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high * 1.001))];
  const frame = logFrame({ width, height, xs, ys, xUnit: "1", yUnit: "s", xName, yName: "seconds" });
  let content = frame.content;
  if (here >= xs[0] && here <= xs[1]) content += `<line class="mark" x1="${at(frame.x(here))}" x2="${at(frame.x(here))}" y1="${frame.top}" y2="${frame.bottom}"/>`;
  for (const curve of curves) {
    const line = curve.points.filter(([, y]) => y > 0).map(([x, y]) => `${at(frame.x(x))},${at(frame.y(y))}`);
    content += `<polyline class="curve ${curve.shade}" points="${line.join(" ")}"/>`;
  }
  return svg(width, height, `${curves.map((curve) => curve.name).join(" and ")} against ${xName}`, content);
};
