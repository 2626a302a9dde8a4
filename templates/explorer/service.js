// A plan: seconds of a server's steps, the steady state that follows from them, and machines side by side. The formulas are
// those of formulas/service.yaml, printed; what is done with them is what dsocr plan does.
const ROUNDS = 400, DAMPED = 0.5, CLOSE = 1e-10, UNLIKELY = 1e-300, FULL = 0.99, TRIED = 20, MOST_CHUNKS = 1024, DAY = 86400;

// Columns and rows of crops as people write them: 3x2.
const gridOf = (word) => /^(\d{1,3})x(\d{1,3})$/.exec(word);
// A whole number, of two that are equally near the even one.
const toEven = (value) => { const up = Math.round(value); return up - value === 0.5 && up % 2 ? up - 1 : up; };

class Service {
  constructor(network) {
    const { plan } = network.data;
    Object.assign(this, { network, plan });
    const bodies = (formulas, of) => Object.entries(formulas).map(([name, body]) => `${name}:${of}=>{${body}}`).join(",");
    this.formulas = compiled(`return{${bodies(plan.formulas, "v")}}`.replace(/\b(\d+)n\b/g, "$1"), DOUBLES);
    this.chunks = Object.fromEntries(Object.entries(plan.chunks).map(([name, formulas]) => [name, compiled(`return{${bodies(formulas, "g")}}`, EXACT)]));
  }

  // Pages of a mix: those of a named workload, or those that are cut into a grid of crops.
  kind(base, name) {
    const grid = gridOf(name), { crops } = this.network.data.roles;
    if (!grid) return { ...base, workload: name };
    const { [crops.number]: left, ...settings } = base.settings;
    const documents = Object.assign({}, ...Object.entries(base.options).map(([choice, option]) => this.network.choices.get(choice).options[option].documents));
    return { ...base, documents, settings: { ...settings, [crops.columns]: grid[1], [crops.rows]: grid[2] } };
  }

  // Seconds of the steps of a server that reads such pages, of one workload or of a mix of them, and how many requests its
  // memory holds: a program's run at a time, between which the page draws.
  *steps(question, mix) {
    const { network, plan } = this, { roles, default_workload: workload } = network.data;
    const { [roles.batch]: left, ...settings } = question.settings, base = { ...question, settings };
    const asked = mix ? [...mix].map(([name, share]) => [this.kind(base, name), share]) : [[base, 1]];
    const number = (values, name) => Number(double(values.numbers[name]));
    const kinds = asked.map(([kind, share]) => { const values = network.resolve(kind); return { kind, share, values, prompt: number(values, roles.prompt_tokens) }; });
    const mean = (of) => kinds.reduce((sum, each) => sum + each.share * of(each), 0);
    const longest = kinds.reduce((most, each) => each.prompt > most.prompt ? each : most);
    const lacking = network.lacks(network.metric(plan.metric), longest.values);
    if (lacking.length) throw new Mistake("gpu", `no time is claimed of ${question.gpu}: it lacks ${lacking.join(", ")}`);
    const newTokens = number(network.resolve(mix && ![...mix.keys()].every(gridOf) ? { ...base, workload } : base), roles.new_tokens);
    if (!(newTokens >= 1)) throw new Mistake(roles.new_tokens, "a plan needs a decode step at least");
    const sizes = kinds.flatMap(({ values }) => plan.chunk_symbols.map((name) => number(values, name)));
    const chunk = Math.min(sizes.length ? Math.max(...sizes) : longest.prompt, longest.prompt);
    if (!(chunk >= 1)) throw new Mistake(plan.chunk_symbols[0] ?? roles.prompt_tokens, "a chunk holds at least one token");
    for (const each of kinds) each.count = Math.max(1, Math.ceil(each.prompt / chunk));
    const count = kinds.reduce((sum, each) => sum + each.count, 0);
    if (count > MOST_CHUNKS) throw new Mistake(plan.chunk_symbols[0] ?? roles.prompt_tokens, `${count} chunks of prompts; this page plans with ${MOST_CHUNKS} at most, dsocr plan with more`);
    const ran = (kind, more) => network.answer({ ...kind, settings: { ...kind.settings, ...more } }, false);
    const seconds = (result, part) => plan.stages[part].reduce((sum, stage) => sum + result.stages[stage][plan.metric], 0);
    const average = Object.fromEntries(plan.chunk_symbols.map((name) => [name, BigInt(chunk)]));
    Object.assign(average, { [roles.prompt_tokens]: BigInt(toEven(mean(({ prompt }) => prompt))), [roles.new_tokens]: BigInt(toEven(newTokens)) });
    const held = ran(longest.kind, average).total.kv_pool_requests ?? 0, room = plan.has_pool ? held : Infinity;
    if (room < 1) throw new Mistake("gpu", `no request fits in what a server takes of ${question.gpu}'s memory`);
    yield;
    for (const each of kinds) {
      const { kind, prompt, values } = each;
      each.encode_s = seconds(ran(kind, { [roles.batch]: 1n }), "encode");
      yield;
      // Experts that are set as hit are those of the workload's own forward.
      const server = { ...kind, settings: Object.fromEntries(Object.entries(kind.settings).filter(([name]) => !roles.hit.includes(name))) };
      each.prefill_s = 0;
      for (let start = 0; start < prompt; start += chunk) {
        const given = { chunk_start: BigInt(start), chunk_size: BigInt(Math.min(chunk, prompt - start)) };
        const formulas = Object.entries(this.chunks[start ? "later" : "first"]);
        const own = formulas.map(([name, formula]) => [name, formula((used) => given[used] ?? values.numbers[used])]);
        try { each.prefill_s += seconds(ran(server, Object.fromEntries(own)), "prefill"); } catch (error) {
          if (!(error instanceof Mistake) || each.count === 1) throw error;
          throw new Mistake(plan.chunk_symbols.join(", "), `a prompt in ${each.count} chunks: ${error.message}`);
        }
        yield;
      }
    }
    const step_s = [];
    for (const batch of plan.batches) {
      step_s.push(seconds(ran(longest.kind, { ...average, [roles.batch]: BigInt(batch) }), "decode") / newTokens);
      yield;
    }
    const work = mean(({ encode_s, prefill_s }) => encode_s + prefill_s), varied = mean(({ encode_s, prefill_s }) => (encode_s + prefill_s - work) ** 2);
    const steps = { encode_s: mean((each) => each.encode_s), prefill_s: mean((each) => each.prefill_s), work_spread: Math.sqrt(varied) / work, chunks: mean((each) => each.count), new_tokens: newTokens, step_s, room, board_power: number(longest.values, "board_power") || undefined };
    // What the first plan of them would wait for.
    this.closed(steps, plan.spread);
    yield;
    this.planned(steps, {});
    return steps;
  }

  // Seconds of a decode step at a batch, straight between the batches that are known.
  stepSeconds({ step_s: known }, running) {
    const { batches } = this.plan, last = batches.length - 1;
    if (running >= batches[last]) return known[last];
    let place = 0;
    while (running >= batches[place + 1]) place += 1;
    return running <= batches[0] ? known[0] : (known[place + 1] - known[place]) / (batches[place + 1] - batches[place]) * (running - batches[place]) + known[place];
  }

  inputs(steps, spread) {
    const { encode_s, prefill_s, work_spread, chunks, new_tokens } = steps;
    return { ...Object.fromEntries(this.plan.inputs.map((name) => [name, 0])), encode_s, prefill_s, work_spread, chunks, new_tokens, spread };
  }

  // Go from what the unknown of each place is taken to be half the way to what becomes of it, until all of them stay.
  found(system, scopes, terms) {
    const { formulas, plan } = this, unknown = plan.unknown[system];
    for (const scope of scopes) formulas[`${system}_begins`](scope);
    for (let round = 0; round < ROUNDS; round += 1) {
      let settled = true;
      for (const scope of scopes) {
        terms(scope);
        formulas[`${system}_becomes`](scope);
        const before = scope[unknown];
        scope[unknown] = before + DAMPED * (scope.becomes - before);
        if (!(Math.abs(scope[unknown] - before) <= CLOSE * Math.abs(before))) settled = false;
      }
      if (settled) break;
    }
    for (const scope of scopes) terms(scope);
    return scopes;
  }

  // As many requests at any time, from 1 up to what an engine runs; found once for all prices, limits and numbers of pages.
  closed(steps, spread) {
    if (steps.spread === spread) return steps.full;
    const scopes = this.plan.batches.at(-1), inputs = this.inputs(steps, spread);
    steps.spread = spread;
    return steps.full = this.found("closed", Array.from({ length: scopes }, (_, place) => ({ ...inputs, concurrency: place + 1 })), (scope) => {
      scope.step_s = this.stepSeconds(steps, scope.running);
      this.formulas.closed_terms(scope);
    });
  }

  // Requests that arrive at random, of which at most so many run at once.
  open(steps, spread, concurrency, arrivals_per_s) {
    const { formulas, plan } = this, inputs = { ...this.inputs(steps, spread), concurrency, arrivals_per_s };
    const states = Array.from({ length: concurrency }, (_, place) => {
      const step_s = this.stepSeconds(steps, place + 1);
      return Object.assign({ ...inputs }, { running: place + 1, step_s, slope_s: this.stepSeconds(steps, place + 2) - step_s });
    });
    formulas.open_beyond(states.at(-1));
    const known = plan.averages.map((name) => [name, new Float64Array(concurrency)]);
    states.forEach((state, place) => { formulas.open_averages(state); for (const [name, values] of known) values[place] = state[name]; });
    const further = Math.min(states.at(-1).further, FULL), logs = new Float64Array(concurrency), weights = new Float64Array(concurrency);
    return this.found("open", [inputs], (scope) => {
      let sum = 0, highest = 0, whole = 0;
      for (let place = 0; place < concurrency; place += 1) {
        const state = states[place];
        state[plan.unknown.open] = scope[plan.unknown.open];
        formulas.open_ratio(state);
        logs[place] = sum += Math.log(Math.max(state.ratio, UNLIKELY));
        highest = Math.max(highest, sum);
      }
      for (let place = 0; place < concurrency; place += 1) whole += weights[place] = Math.exp(logs[place] - highest) / (place === concurrency - 1 ? 1 - further : 1);
      whole += Math.exp(-highest);
      Object.assign(scope, { further, full: weights[concurrency - 1] / whole });
      for (const [name, values] of known) {
        let added = 0;
        for (let place = 0; place < concurrency; place += 1) added += weights[place] / whole * values[place];
        scope[name] = added;
      }
      formulas.open_terms(scope);
    })[0];
  }

  // How many requests at once: the fewest that end nearly as many pages as limits and memory allow.
  chosen(column, room, { ttft = Infinity, tpot = Infinity, concurrency }) {
    const { plan } = this, reasons = { memory: (state) => state.concurrency <= room, ttft: (state) => state.ttft_s <= ttft, tpot: (state) => state.tpot_s <= tpot };
    const good = (state) => Object.values(reasons).every((holds) => holds(state)), [alone] = column;
    const first = column[(concurrency ?? 1) - 1];
    if (!good(first)) {
      if (!reasons.memory(first)) throw new Mistake("concurrency", `its memory does not hold ${concurrency} requests`);
      const [name, seconds, limit] = first.ttft_s / ttft >= first.tpot_s / tpot ? ["ttft", first.ttft_s, ttft] : ["tpot", first.tpot_s, tpot];
      throw new Mistake(name, `${name} is ${seconds.toPrecision(4)} s with ${first === alone ? "one request alone" : `${concurrency} requests at once`}, above ${limit} s`);
    }
    const bad = column.findIndex((state) => !good(state)), last = bad < 0 ? column.length : bad;
    const enough = plan.enough * Math.max(...column.slice(0, last).map((state) => state.requests_per_s));
    const place = column.findIndex((state) => state.requests_per_s >= enough);
    const beyond = bad < 0 ? "most" : Object.keys(reasons).find((name) => !reasons[name](column[last]));
    const most_per_s = Math.max(...column.filter(reasons.memory).map((state) => state.requests_per_s));
    const scope = { most_per_s, alone_s: alone.ttft_s + alone.new_tokens * alone.tpot_s };
    this.formulas.knee(scope);
    return { full: concurrency ? first : column[place], held_by: concurrency ? "asked" : place < last - 1 ? "enough" : beyond, knee: Math.max(1, Math.round(scope.knee)) };
  }

  // Machines for so many pages: what a plan says of a GPU. What it is asked are pages_per_day, price, ttft, tpot, concurrency,
  // spread and utilisation, of which what is left out is not asked.
  planned(steps, { pages_per_day, price, ttft, tpot, concurrency, spread = this.plan.spread, utilisation = this.plan.utilisation }) {
    const { full, held_by, knee } = this.chosen(this.closed(steps, spread), steps.room, { ttft, tpot, concurrency });
    const most = full.requests_per_s, loaded = (arrivals) => this.open(steps, spread, full.concurrency, arrivals);
    let share = utilisation;
    if (ttft !== undefined || tpot !== undefined) {
      const keeps = (load) => (ttft === undefined || load.ttft_s <= ttft) && (tpot === undefined || load.tpot_s <= tpot);
      // The more arrive, the longer they wait: the largest share that keeps to the limits is found by halves.
      let kept = 0, beyond = TRIED + 1, tried = TRIED;
      while (beyond - kept > 1) {
        if (keeps(loaded(utilisation * tried / TRIED * most))) kept = tried; else beyond = tried;
        tried = Math.floor((kept + beyond) / 2);
      }
      if (kept) share = utilisation * kept / TRIED;
    }
    const fleet = { pages_per_s: pages_per_day === undefined ? share * most : pages_per_day / DAY, utilisation: share, requests_per_s: most, new_tokens: steps.new_tokens, board_power: steps.board_power, price_per_hour: price };
    this.formulas.fleet(fleet);
    const planned = loaded(fleet.arrivals_per_s), { trusted } = this.plan;
    const isTrusted = planned.busy <= trusted.busy && planned.requests_per_s / most <= trusted.load && planned.full <= trusted.full;
    return { gpu: fleet, concurrency: full.concurrency, held_by, knee, full, planned, trusted: isTrusted, full_trusted: full.busy <= trusted.busy };
  }
}
