// Numbers, letters and names as people read them.
const PREFIXES = ["", "k", "M", "G", "T", "P", "E", "Z"];
const SMALL = ["", "m", "µ", "n", "p"];
const escapeHtml = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const significant = (value, digits = 3) => {
  if (value === 0) return "0";
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value)) + 1e-9));
  return value.toFixed(Math.min(places, 12));
};
const SHORT = { FLOP: "FLOP", byte: "B", s: "s", "byte/s": "B/s", "FLOP/s": "FLOP/s", "op/s": "op/s", "element/s": "element/s", Hz: "Hz" };
// A number with its unit: three digits and a prefix where the unit takes one.
const amount = (value, unit) => {
  if (value === null || value === undefined) return "–";
  const number = double(value);
  if (number === 0) return "0";
  if (!(unit in SHORT)) {
    const shown = Math.abs(number) >= 1e9 ? `${significant(number / 1e9)} G` : Math.abs(number) >= 1e6 ? `${significant(number / 1e6)} M` : Number.isInteger(number) ? grouped(BigInt(number)) : significant(number);
    return unit.includes("/") ? `${shown} ${unit}` : shown;
  }
  let power = Math.floor(Math.log10(Math.abs(number)) / 3 + 1e-9);
  if (Math.abs(Number(significant(number / 1000 ** power))) >= 1000) power += 1;
  power = Math.max(unit === "s" ? -4 : 0, Math.min(unit === "s" ? 0 : PREFIXES.length - 1, power));
  const prefix = power < 0 ? SMALL[-power] : PREFIXES[power];
  return `${significant(number / 1000 ** power)} ${prefix}${SHORT[unit]}`;
};
// All digits: a whole number in groups of three, a double as it is.
const grouped = (value) => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
const exactly = (value) => value === null || value === undefined ? "–" : typeof value === "bigint" ? grouped(value) : String(double(value));
const titleOf = (name) => name.replaceAll("_", " ");
// The name of a row with the numbers that layers have here; null where there are none of them.
const labelled = (result) => {
  const labels = [], renamed = [];
  result.rows.forEach((row, place) => {
    const [above, names] = row.parent < 0 ? ["", {}] : [labels[row.parent], renamed[row.parent]];
    const name = row.path.split("/").pop();
    const [first, last] = [result.nodes.first[place], result.nodes.last[place]].map((value) => value === null ? 0 : double(value));
    const own = !row.stem ? name : last < first ? null : first === last ? `${row.stem}${first}` : `${row.stem}${first}-${last}`;
    renamed.push(names);
    labels.push(above === null || own === null ? null : above ? `${above}/${own}` : own);
  });
  return labels;
};
