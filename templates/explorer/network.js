// A question, its values and its answer: data of the page and the programs that were printed from the formulas.
class Mistake extends Error {
  constructor(field, rule) { super(rule.startsWith(`${field} `) ? rule : `${field}: ${rule}`); this.field = field; }
}
const NAMES = Object.keys(EXACT);
const compiled = (source, algebra) => new Function(...NAMES, source)(...NAMES.map((name) => algebra[name]));
const LARGEST = 10n ** 18n;
// Names of lines in a text.
const LINES = /_([0-9a-z]+)/g, TOGETHER = 150;

class Network {
  constructor(data) {
    this.data = data;
    this.symbols = new Map(data.symbols.map((symbol) => [symbol.name, symbol]));
    this.formulas = compiled(`return{${data.formulas.map(([name, body]) => `${name}:g=>{${body}}`).join(",")}}`, EXACT);
    this.choices = new Map(data.choices.map((choice) => [choice.name, choice]));
    this.functions = new Map();
  }

  // The programs of all variants: a line or a row that several of them have stands once.
  read({ symbols, lines, units, programs, variants }) {
    const { of_rows: names } = this.data;
    Object.assign(this, { inputs: symbols, lines, units, variants });
    this.programs = programs.map(([places, parents, outputs]) => ({
      places, outputs,
      rows: places.map((place, row) => ({ ...Object.fromEntries(names.map((name, at) => [name, units[place][0][at]])), parent: parents[row] })),
    }));
  }

  // An option of every choice: defaults, then what the options taken set of others, then what was chosen.
  chosen(options) {
    const defaults = Object.fromEntries([...this.choices].map(([name, choice]) => [name, choice.default]));
    const taken = Object.entries({ ...defaults, ...options }).map(([name, option]) => this.choices.get(name).options[option]);
    return Object.assign(defaults, ...taken.map((option) => option.choices), options);
  }

  // What an option would be if it was not chosen itself.
  following(options, name) {
    const { [name]: own, ...others } = options;
    return this.chosen(others)[name];
  }

  // Of options those that do not follow from the rest; what sets others is never left out for one of them.
  own(options) {
    const complete = this.chosen(options), setting = ([name, option]) => Object.keys(this.choices.get(name).options[option].choices).length > 0;
    const bundles = Object.fromEntries(Object.entries(complete).filter(setting)), follow = this.chosen(bundles);
    return Object.fromEntries(Object.entries(complete).filter(([name, option]) => name in bundles ? option !== this.choices.get(name).default : option !== follow[name]));
  }

  // A question whose every part is known; what is left out is the network's default.
  question({ workload = this.data.default_workload, gpu = this.data.default_gpu, options = {}, settings = {}, waived = false }) {
    if (!(workload in this.data.workloads)) throw new Mistake("workload", `there is no '${workload}'`);
    if (!(gpu in this.data.gpus)) throw new Mistake("gpu", `there is no '${gpu}'`);
    for (const [name, option] of Object.entries(options)) {
      if (!this.choices.has(name)) throw new Mistake(name, "there is no such choice");
      if (!Object.hasOwn(this.choices.get(name).options, option)) throw new Mistake(name, `there is no option '${option}'`);
    }
    const chosen = this.chosen(options);
    this.checkVariant(options, chosen);
    for (const [name, option] of Object.entries(options)) {
      const { symbols, symbols_alone: alone } = this.choices.get(name).options[option];
      if (alone && Object.keys(symbols).every((symbol) => symbol in settings)) {
        throw new Mistake(name, `${option}: all that it decides, ${Object.keys(symbols).join(", ")}, is set as well; drop one of them`);
      }
    }
    return { workload, gpu, options: chosen, settings, waived };
  }

  metric(name) {
    return this.data.metrics.find((metric) => metric.name === name);
  }

  key(chosen) {
    return this.data.filling.map((name) => chosen[name]).join(" ");
  }

  // The program of a question; those that fill slots with the same formulas share one.
  variant(question) {
    return this.variants[this.key(question.options)];
  }

  // Not every combination has a program here: of the choices made, the one without which there is one is named.
  checkVariant(options, chosen) {
    if (this.key(chosen) in this.variants) return;
    const own = this.own(options), changed = this.data.filling.filter((name) => Object.hasOwn(own, name));
    const without = (name) => { const { [name]: own_, ...others } = own; return this.chosen(others); };
    const name = changed.findLast((each) => this.key(without(each)) in this.variants) ?? changed.at(-1) ?? this.data.filling[0];
    const sets = ([each, option]) => this.data.filling.includes(each) || Object.keys(this.choices.get(each).options[option].choices).length;
    const beside = Object.entries(own).filter((each) => each[0] !== name && sets(each)).map((each) => each.join(" ")).join(", ");
    const asked = Object.entries(own).map(([each, option]) => ` --${each} ${option}`).join("");
    throw new Mistake(name, `${chosen[name]}${beside ? ` beside ${beside}` : ""} is a combination that this page has no program for; choose ${name} ${without(name)[name]}, or ask dsocr totals${asked}`);
  }

  // What the user and the workload set, each in its range.
  settings(question) {
    const values = { ...question.documents, ...this.data.workloads[question.workload].values };
    for (const [name, value] of Object.entries(values)) values[name] = given(value);
    for (const [name, typed] of Object.entries(question.settings)) {
      values[name] = typeof typed === "string" ? readNumber(typed, name) : typed;
      this.check(name, values[name]);
    }
    return values;
  }

  check(name, value) {
    const symbol = this.symbols.get(name);
    if (!symbol) throw new Mistake(name, "there is no such symbol");
    if (symbol.fixed) throw new Mistake(name, `${symbol.meaning} is a definition and cannot be set`);
    if (isNumber(value) && !Number.isFinite(value)) throw new Mistake(name, `${value} is not a number`);
    const sized = double(value);
    if (compare(value, LARGEST) > 0 || compare(value, -LARGEST) < 0) {
      throw new Mistake(name, `the value is larger than 1e+18 (${symbol.meaning})`);
    }
    if (!symbol.real && typeof value !== "bigint") throw new Mistake(name, `${plain(value)} is not a whole number (${symbol.meaning})`);
    if (symbol.group === "machine" && sized <= 0 && !symbol.zero) throw new Mistake(name, `${plain(value)} is not greater than 0 (${symbol.meaning})`);
    if (compare(value, BigInt(symbol.least)) < 0) throw new Mistake(name, `${plain(value)} is less than ${symbol.least} (${symbol.meaning})`);
  }

  // A number for every symbol, and which of them the machine lacks.
  resolve(question) {
    const set = this.settings(question), gpu = this.data.gpus[question.gpu];
    const machine = { ...gpu.machine }, chosen = {};
    for (const [name, option] of Object.entries(question.options)) {
      Object.assign(machine, gpu.options[`${name} ${option}`]);
      Object.assign(chosen, this.choices.get(name).options[option].symbols);
    }
    const numbers = {}, lacking = {}, above = [];
    const value = (name) => {
      if (name in numbers) return numbers[name];
      if (above.includes(name)) throw new Mistake(name, `${[...above, name].join(" -> ")}: these values need one another; give one of them a number`);
      above.push(name);
      numbers[name] = found(name);
      above.pop();
      return numbers[name];
    };
    const formula = (name, of) => {
      lacking[name] = [...new Set(this.data.uses[of].flatMap((used) => (value(used), lacking[used])))];
      const result = this.formulas[of](value);
      if (Number.isNaN(result) || result === Infinity) throw new Mistake(name, `its formula has no value here; set ${name} itself`);
      return result instanceof Ratio ? result : whole(result);
    };
    const found = (name) => {
      const symbol = this.symbols.get(name);
      lacking[name] = [];
      const said = [name, symbol.in_bounds_for].find((other) => other && other in set);
      if (said) return set[said];
      if (symbol.moves_with && symbol.moves_with in set) {
        const moved = value(symbol.moves_with);
        lacking[name] = lacking[symbol.moves_with];
        return moved;
      }
      if (name in chosen) return given(chosen[name]);
      const number = machine[name];
      if (number === undefined) return formula(name, name);
      if (!Array.isArray(number)) return given(number);
      const [kind, key] = number;
      if (kind === "none") throw new Mistake("gpu", `the file of ${question.gpu} gives no ${key}; choose another GPU or option, or set ${name}`);
      lacking[name] = [key];
      return 1n;
    };
    for (const name of this.symbols.keys()) value(name);
    this.checkRules(question, numbers);
    return { numbers, lacking, warnings: this.data.warnings.filter((rule) => !this.holds(rule, numbers)).map((rule) => this.says(rule, numbers)) };
  }

  holds(rule, numbers) {
    return this.formulas[rule.require]((name) => numbers[name]) != 0;
  }

  says(rule, numbers) {
    const parts = rule.parts.map((part) => plain(whole(this.formulas[part]((name) => numbers[name]))));
    return rule.say.replace(/\{[^}]*\}/g, () => parts.shift());
  }

  checkRules(question, numbers) {
    for (const rule of this.data.rules) {
      if ((rule.waived_by && question.waived) || this.holds(rule, numbers)) continue;
      const got = rule.names.map((name) => `${name} = ${plain(whole(numbers[name]))}`).join(", ");
      throw new Mistake(this.blamed(question, rule.names), `${this.says(rule, numbers)}; got ${got}`);
    }
    for (const symbol of this.symbols.values()) {
      if (!symbol.needed || typeof whole(numbers[symbol.name]) === "bigint") continue;
      throw new Mistake(symbol.name, `its formula gives ${double(numbers[symbol.name])}, which is not a whole number; set others, or ${symbol.name}`);
    }
  }

  // The field that a rule is most likely about: one that the user set.
  blamed(question, names) {
    return names.find((name) => name in question.settings) ?? names.find((name) => !this.symbols.get(name).fixed) ?? names[0];
  }

  // The function of a variant, exact or in doubles: of the shared lines those that its outputs need. It is made of many
  // short functions: compilers of browsers take gigabytes for one that is as long as all of them.
  function(variant, exactly) {
    const key = `${variant} ${exactly}`;
    if (!this.functions.has(key)) {
      const { places, outputs } = this.programs[variant], count = this.data.of_nodes.length + 3;
      const shown = outputs.concat(...Array.from({ length: count }, (_, column) => places.map((place) => this.units[place][1][column])));
      const needed = new Uint8Array(this.lines.length), lines = [], names = [];
      const need = (text) => { for (const [, name] of text.matchAll(LINES)) needed[parseInt(name, 36)] = 1; };
      for (const text of shown) if (text !== null) need(text);
      for (let place = this.lines.length - 1; place >= 0; place -= 1) if (needed[place]) need(this.lines[place]);
      needed.forEach((is, place) => { if (is) { names.push(`_${place.toString(36)}`); lines.push(`_${place.toString(36)}=${this.lines[place]}`); } });
      const parts = [];
      for (let at = 0; at < lines.length; at += TOGETHER) parts.push(lines.slice(at, at + TOGETHER).join(";"));
      for (let at = 0; at < shown.length; at += TOGETHER) parts.push(`o.push(${shown.slice(at, at + TOGETHER).map(String).join(",")})`);
      const source = `let ${["v", "o", ...names].join(",")};const f=[${parts.map((part) => `()=>{${part}}`).join(",\n")}];return x=>{v=x;o=[];for(const g of f)g();return o}`;
      this.functions.set(key, compiled(exactly ? source : source.replace(/\b(\d+)n\b/g, "$1"), exactly ? EXACT : DOUBLES));
    }
    return this.functions.get(key);
  }

  // All numbers of a question: every metric of the whole and the stages, some of each node.
  answer(question, exactly = true, values = this.resolve(question)) {
    const variant = this.variant(question), { rows, places } = this.programs[variant];
    const inputs = this.inputs.map((name) => exactly ? values.numbers[name] : double(values.numbers[name]));
    const outputs = this.function(variant, exactly)(inputs);
    const shown = (value) => value === null || Number.isNaN(value) ? null : exactly ? whole(value) : value;
    const stages = rows.map((row, place) => place).filter((place) => rows[place].parent <= 0);
    const parts = stages.map(() => ({}));
    let at = 0;
    for (const metric of this.data.metrics) {
      const claimed = !this.lacks(metric, values).length;
      for (const part of parts) {
        const value = outputs[at++];
        part[metric.name] = claimed ? shown(value) : null;
      }
    }
    const nodes = {};
    for (const name of [...this.data.of_nodes, "calls", "first", "last"]) {
      const metric = this.data.metrics.find((known) => known.name === name);
      const claimed = !metric || !this.lacks(metric, values).length;
      nodes[name] = outputs.slice(at, at += rows.length).map((value) => claimed ? shown(value) : null);
    }
    const [total, ...others] = parts;
    return { question, values, rows, places, total, nodes, stages: Object.fromEntries(others.map((part, place) => [rows[stages[place + 1]].path, part])) };
  }

  // The GPU's numbers without which a metric is not claimed.
  lacks(metric, values) {
    return [...new Set(metric.claims.flatMap((name) => values.lacking[name] ?? []))];
  }
}
