// A question, its values and its answer: data of the page and the programs that were printed from the formulas.
class Mistake extends Error {
  constructor(field, rule) { super(rule.startsWith(`${field} `) ? rule : `${field}: ${rule}`); this.field = field; }
}
const NAMES = Object.keys(EXACT);
const compiled = (source, algebra) => new Function(...NAMES, source)(...NAMES.map((name) => algebra[name]));
const LARGEST = 10n ** 18n;

class Network {
  constructor(data) {
    this.data = data;
    this.symbols = new Map(data.symbols.map((symbol) => [symbol.name, symbol]));
    this.formulas = compiled(`return{${data.formulas.map(([name, body]) => `${name}:g=>{${body}}`).join(",")}}`, EXACT);
    this.choices = new Map(data.choices.map((choice) => [choice.name, choice]));
    this.programs = new Map();
  }

  // A question whose every part is known; what is left out is the network's default.
  question({ workload = this.data.default_workload, gpu = this.data.default_gpu, options = {}, settings = {}, waived = false }) {
    if (!(workload in this.data.workloads)) throw new Mistake("workload", `there is no '${workload}'`);
    if (!(gpu in this.data.gpus)) throw new Mistake("gpu", `there is no '${gpu}'`);
    const chosen = {};
    for (const [name, choice] of this.choices) {
      chosen[name] = options[name] ?? choice.default;
      if (!(chosen[name] in choice.options)) throw new Mistake(name, `there is no option '${chosen[name]}'`);
    }
    for (const [name, option] of Object.entries(options)) {
      if (!this.choices.has(name)) throw new Mistake(name, "there is no such choice");
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

  variant(question) {
    return this.data.filling.map((name) => question.options[name]).join(" ");
  }

  // What the user and the workload set, each in its range.
  settings(question) {
    const values = { ...this.data.workloads[question.workload].values };
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

  // The function of a variant, exact or in doubles; its text is printed once for both.
  function(variant, exactly) {
    const key = `${variant} ${exactly}`;
    if (!this.programs.has(key)) {
      const { source } = this.sources[variant];
      const text = exactly ? source : source.replace(/\b(\d+)n\b/g, "$1");
      this.programs.set(key, compiled(text, exactly ? EXACT : DOUBLES));
    }
    return this.programs.get(key);
  }

  // All numbers of a question: every metric of the whole and the stages, some of each node.
  answer(question, exactly = true, values = this.resolve(question)) {
    const variant = this.variant(question), { symbols, rows } = this.sources[variant];
    const inputs = symbols.map((name) => exactly ? values.numbers[name] : double(values.numbers[name]));
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
    return { question, values, rows, total, nodes, stages: Object.fromEntries(others.map((part, place) => [rows[stages[place + 1]].path, part])) };
  }

  // The GPU's numbers without which a metric is not claimed.
  lacks(metric, values) {
    return [...new Set(metric.claims.flatMap((name) => values.lacking[name] ?? []))];
  }
}
