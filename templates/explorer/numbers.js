// Numbers: whole ones as BigInt, quotients of them as Ratio, all others as doubles. One set of functions computes with
// them exactly, another one in doubles alone; the programs call either by the same names.
class Ratio {
  constructor(above, below) { this.above = above; this.below = below; }
}
const gcd = (left, right) => { while (right) [left, right] = [right, left % right]; return left < 0n ? -left : left; };
const ratio = (above, below) => {
  if (below < 0n) { above = -above; below = -below; }
  const shared = gcd(above, below);
  return shared === below ? above / below : new Ratio(above / shared, below / shared);
};
const bits = (value) => (value < 0n ? -value : value).toString(16).length * 4;
const double = (value) => {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  let { above, below } = value;
  const excess = Math.max(bits(above), bits(below)) - 1000;
  if (excess > 0) { above >>= BigInt(excess); below >>= BigInt(excess); }
  return below === 0n ? Infinity : Number(above) / Number(below);
};
// A double as the fraction that it is.
const asRatio = (value) => {
  if (typeof value !== "number") return value;
  let below = 1n;
  while (!Number.isInteger(value) && Number.isFinite(value)) { value *= 2; below *= 2n; }
  return ratio(BigInt(value), below);
};
const over = (value) => value instanceof Ratio ? value : new Ratio(value, 1n);
const isNumber = (value) => typeof value === "number";
const compare = (left, right) => {
  if (left instanceof Ratio || right instanceof Ratio) {
    if (Number.isNaN(left) || Number.isNaN(right)) return NaN;
    if (left === Infinity || right === Infinity) return double(left) - double(right);
    const a = over(asRatio(left)), b = over(asRatio(right));
    const apart = a.above * b.below - b.above * a.below;
    return apart < 0n ? -1 : apart > 0n ? 1 : 0;
  }
  return left < right ? -1 : left > right ? 1 : left == right ? 0 : NaN;
};
const mixed = (left, right, doubles, ratios) => {
  if (isNumber(left) || isNumber(right)) return doubles(double(left), double(right));
  return ratios(over(left), over(right));
};
const whole = (value) => {
  if (value instanceof Ratio) return double(value);
  return isNumber(value) && Number.isInteger(value) ? BigInt(value) : value;
};

const EXACT = {
  R: (above, below) => ratio(above, below),
  A: (x, y) => typeof x === "bigint" && typeof y === "bigint" ? x + y
    : mixed(x, y, (a, b) => a + b, (a, b) => ratio(a.above * b.below + b.above * a.below, a.below * b.below)),
  S: (x, y) => typeof x === "bigint" && typeof y === "bigint" ? x - y
    : mixed(x, y, (a, b) => a - b, (a, b) => ratio(a.above * b.below - b.above * a.below, a.below * b.below)),
  M: (x, y) => typeof x === "bigint" && typeof y === "bigint" ? x * y
    : mixed(x, y, (a, b) => a * b, (a, b) => ratio(a.above * b.above, a.below * b.below)),
  D: (x, y) => {
    if (y == 0) return NaN;
    if (typeof x === "bigint" && typeof y === "bigint") return x % y === 0n ? x / y : ratio(x, y);
    return mixed(x, y, (a, b) => a / b, (a, b) => ratio(a.above * b.below, a.below * b.above));
  },
  Q: (x, y) => y == 0 ? NaN : EXACT.S(x, EXACT.M(y, EXACT.F(EXACT.D(x, y)))),
  E: (x, power) => {
    const exponent = BigInt(power);
    if (x instanceof Ratio) return new Ratio(x.above ** exponent, x.below ** exponent);
    return isNumber(x) ? x ** Number(power) : x ** exponent;
  },
  N: (x) => x instanceof Ratio ? new Ratio(-x.above, x.below) : -x,
  C: (x) => EXACT.N(EXACT.F(EXACT.N(x))),
  F: (x) => {
    if (x instanceof Ratio) return x.above / x.below - (x.above < 0n ? 1n : 0n);
    return isNumber(x) ? (Number.isFinite(x) ? BigInt(Math.floor(x)) : NaN) : x;
  },
  X: (x, y) => { const order = compare(x, y); return Number.isNaN(order) ? NaN : order < 0 ? y : x; },
  I: (x, y) => { const order = compare(x, y); return Number.isNaN(order) ? NaN : order > 0 ? y : x; },
  G: (x) => x instanceof Ratio ? (x.above > 0n ? 1n : 0n) : x > 0 ? 1n : 0n,
  Z: (x) => x instanceof Ratio || x != 0 ? 1n : 0n,
  P: (base, exponent) => {
    // Beside 1 a double would lose what is left of 1 less the power.
    const left = base instanceof Ratio ? double(ratio(base.above - base.below, base.below)) : 1;
    if (Math.abs(left) < 2 ** -20) return EXACT.A(1n, asRatio(Math.expm1(double(exponent) * Math.log1p(left))));
    return Math.pow(double(base), double(exponent));
  },
  U: (last, ends) => {
    let total = 0n, step = 1n;
    while (compare(step, last) <= 0) {
      let value = null, slope = null;
      for (let place = 0; place < ends.length; place += 2) {
        const height = EXACT.A(ends[place], EXACT.M(ends[place + 1], step));
        const order = value === null ? 1 : compare(height, value);
        if (order > 0 || (order === 0 && compare(ends[place + 1], slope) > 0)) [value, slope] = [height, ends[place + 1]];
      }
      let end = last;
      for (let place = 0; place < ends.length; place += 2) {
        if (compare(ends[place + 1], slope) <= 0) continue;
        const gap = EXACT.S(EXACT.S(value, EXACT.M(slope, step)), ends[place]);
        const ahead = EXACT.S(EXACT.C(EXACT.D(gap, EXACT.S(ends[place + 1], slope))), 1n);
        end = EXACT.I(end, EXACT.X(step, ahead));
      }
      const count = EXACT.A(EXACT.S(end, step), 1n);
      const added = EXACT.M(slope, EXACT.D(EXACT.M(count, EXACT.S(count, 1n)), 2n));
      total = EXACT.A(total, EXACT.A(EXACT.M(count, value), added));
      step = EXACT.A(end, 1n);
      if (Number.isNaN(step)) return NaN;
      if (compare(end, last) >= 0) break;
    }
    return total;
  },
};

const DOUBLES = {
  R: (above, below) => above / below,
  A: (x, y) => x + y,
  S: (x, y) => x - y,
  M: (x, y) => x * y,
  D: (x, y) => y === 0 ? NaN : x / y,
  Q: (x, y) => y === 0 ? NaN : x - y * Math.floor(x / y),
  E: (x, power) => x ** power,
  N: (x) => -x,
  C: Math.ceil,
  F: Math.floor,
  X: (x, y) => x >= y ? x : y > x ? y : NaN,
  I: (x, y) => x <= y ? x : y < x ? y : NaN,
  G: (x) => x > 0 ? 1 : 0,
  Z: (x) => x !== 0 ? 1 : 0,
  P: (base, exponent) => Math.pow(base, exponent),
  U: (last, ends) => {
    let total = 0, step = 1;
    while (step <= last) {
      let value = -Infinity, slope = -Infinity;
      for (let place = 0; place < ends.length; place += 2) {
        const height = ends[place] + ends[place + 1] * step;
        if (height > value || (height === value && ends[place + 1] > slope)) { value = height; slope = ends[place + 1]; }
      }
      let end = last;
      for (let place = 0; place < ends.length; place += 2) {
        if (!(ends[place + 1] > slope)) continue;
        const ahead = (value - slope * step - ends[place]) / (ends[place + 1] - slope);
        end = Math.min(end, Math.max(step, Math.ceil(ahead) - 1));
      }
      const count = end - step + 1;
      if (!(count > 0)) return NaN;
      total += count * value + slope * (count * (count - 1) / 2);
      // Beyond 2^53 the next step is the same number.
      if (end >= last) break;
      step = end + 1;
    }
    return total;
  },
};

// What a person types: 8, 1.8e12, 0.5, 1/2. Whole numbers and quotients stay exact.
const NUMBER = /^[-+]?(\d+(_\d+)*(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?(\/\d+)?$/;
const LONGEST_NUMBER = 40;
const decimal = (text) => {
  const [digits, exponent] = text.toLowerCase().split("e");
  const [before, after = ""] = digits.replace("+", "").split(".");
  const places = Number(exponent || 0) - after.length;
  const value = BigInt(before + after === "-" ? "0" : before + after || "0");
  return places >= 0 ? value * 10n ** BigInt(places) : ratio(value, 10n ** BigInt(-places));
};
const readNumber = (typed, name) => {
  const text = String(typed).trim();
  if (text.length > LONGEST_NUMBER || !NUMBER.test(text)) {
    throw new Mistake(name, `'${text.slice(0, 60)}' is not a number that can be read; write for example ${name}=8`);
  }
  const [above, below] = text.replaceAll("_", "").split("/");
  if (below !== undefined && BigInt(below) === 0n) throw new Mistake(name, `'${text}' divides by zero`);
  const value = decimal(above);
  if (below !== undefined) return EXACT.D(value, BigInt(below));
  return value instanceof Ratio ? double(value) : value;
};
// A number as data holds it: text is exact, a number is a double.
const given = (value) => {
  if (typeof value === "number") return value;
  const [above, below] = value.split("/");
  return below === undefined ? BigInt(above) : ratio(BigInt(above), BigInt(below));
};
// As Python writes it: doubles that are small or large with an exponent of two digits.
const plain = (value) => {
  if (value instanceof Ratio) return `${value.above}/${value.below}`;
  if (!isNumber(value)) return String(value);
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e16) || !Number.isFinite(value)) return String(value);
  return value.toExponential().replace(/e([-+])(\d)$/, "e$10$2");
};
