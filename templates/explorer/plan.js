// The plan's fields and what it says: its own fields redraw it at once; another scenario first takes the seconds of its
// steps, a few runs in each frame, once nothing moves.
const PLANS = {
  pages_per_day: { title: "pages a day", none: "what one GPU ends", slide: [2, 8] },
  price: { title: "price of a GPU an hour", none: "none", slide: [-1, 2] },
  ttft: { title: "first token at most, s", none: "no limit" },
  tpot: { title: "next token at most, s", none: "no limit" },
  spread: { title: "spread of answers", none: "0.5", zero: true },
  utilisation: { title: "share planned with", none: "0.7", most: 1 },
  concurrency: { title: "requests at once", none: "the best", most: 256, whole: true },
  mix: { title: "mix of workloads", none: "that of the fields", said: "workloads or grids of crops and their shares, such as base=0.6,gundam=0.4 or 3x2=1/2,0x0=1/2", read: (text, network) => readMix(text, network) },
};
const HELD = { memory: "as many as its memory holds", ttft: "more would break the limit of the first token", tpot: "more would break the limit of the next token", enough: "more end hardly more pages", most: "as many as an engine runs", asked: "as asked" };
const readPlan = (name, text, network) => {
  if (!Object.hasOwn(PLANS, name)) throw new Mistake(`plan.${name.slice(0, 60)}`, "means nothing here");
  const { zero, whole: isWhole, most = Infinity, read } = PLANS[name];
  if (read) return read(text, network);
  const value = double(readNumber(text, name));
  if (isWhole && !(Number.isInteger(value) && value >= 1 && value <= most)) throw new Mistake(name, `${text} is not a whole number from 1 to ${most}, which this page plans with; dsocr plan takes more`);
  if (!(zero ? value >= 0 : value > 0) || !(value <= most) || value > 1e18) throw new Mistake(name, `${text} is not a number ${zero ? "from 0 on" : "above 0"}${most === 1 ? ", 1 at most" : ", 1e18 at most"}`);
  return value;
};
// Workloads and their shares, which add up to 1.
const readMix = (text, { data }) => {
  const { crops } = data.roles;
  const shares = new Map(), shown = (word) => `'${word.trim().slice(0, 60)}'`;
  for (const word of text.split(",")) {
    const [name, share, ...more] = word.split("=").map((part) => part.trim());
    if (!share || more.length) throw new Mistake("mix", `${shown(word)} is no WORKLOAD=SHARE, several of them with commas`);
    if (!Object.hasOwn(data.workloads, name) && !(crops && gridOf(name))) throw new Mistake("mix", `there is no workload ${shown(name)}; there are ${Object.keys(data.workloads).join(", ")}`);
    if (shares.has(name)) throw new Mistake("mix", `${name} is given twice`);
    const value = double(readNumber(share, "mix"));
    if (!(value > 0)) throw new Mistake("mix", `the share of ${name} is not above 0`);
    shares.set(name, value);
  }
  const sum = [...shares.values()].reduce((left, right) => left + right, 0);
  if (!(Math.abs(sum - 1) <= 1e-6)) throw new Mistake("mix", `the shares add up to ${Number(sum.toPrecision(6))}, not to 1`);
  return shares;
};

class PlanView {
  constructor(network, state, changed) {
    Object.assign(this, { network, state, changed, movedAt: -Infinity });
    if (!network.data.plan) return;
    this.service = new Service(network);
    byId("plan").hidden = false;
    byId("plan-fields").innerHTML = Object.entries(PLANS).map(([name, { title, none, slide, said }]) => `<div class="wish"${said ? ` title="${said}"` : ""}><label for="plan-${name}">${title}</label><input id="plan-${name}" data-wish="${name}" ${said ? 'spellcheck="false"' : 'inputmode="decimal"'} autocomplete="off" placeholder="${none}">${slide ? `<input type="range" id="plan-slide-${name}" data-slides="${name}" min="${slide[0]}" max="${slide[1]}" step="0.01" aria-label="${title}, slider">` : ""}</div>`).join("");
    byId("plan-fields").addEventListener("input", ({ target }) => {
      const name = target.dataset.wish ?? target.dataset.slides, text = target.dataset.slides ? String(Number((10 ** target.value).toPrecision(3))) : target.value.trim();
      if (text === "") delete this.state.plan[name]; else this.state.plan[name] = text;
      this.quick ??= requestAnimationFrame(() => { this.quick = undefined; if (name === "mix" && this.result) this.draw(this.result, target); else this.show(target); });
      this.changed();
    });
  }

  // Plan for such a mix, and show it.
  take(mix) {
    this.state.plan.mix = mix;
    this.draw(this.result);
    this.changed();
    byId("plan").scrollIntoView();
    byId("plan-mix").focus({ preventScroll: true });
  }

  // Take the seconds of the steps of another scenario or mix; what was asked before is not gone on with.
  draw(result, typing) {
    if (!this.service) return;
    this.result = result;
    const { [this.network.data.roles.batch]: left, ...settings } = result.question.settings, { mix } = this.state.plan;
    const key = JSON.stringify([result.question, settings, mix], (name, value) => name === "settings" ? undefined : value);
    if (key === this.key) { this.show(typing); return; }
    Object.assign(this, { key, steps: null, made: null, running: null, failed: null });
    this.show(typing);
    try { this.running = this.service.steps(result.question, mix === undefined ? undefined : readMix(mix, this.network)); } catch (error) { this.failed = error; return; }
    const { running } = this, some = () => {
      if (running !== this.running) return;
      // The seconds of steps are not worth a frame that something else moves in.
      if (performance.now() - this.movedAt < RESTS_AFTER) { requestAnimationFrame(some); return; }
      try {
        for (const began = performance.now(); performance.now() - began < FRAME;) {
          const { done, value } = running.next();
          if (!done) continue;
          this.steps = value;
          this.show();
          return;
        }
        requestAnimationFrame(some);
      } catch (error) { this.failed = error; this.show(); }
    };
    byId("plan-numbers").classList.add("stale");
    requestAnimationFrame(some);
  }

  // Fields that are being typed into keep their text.
  show(typing) {
    for (const [name, { slide }] of Object.entries(PLANS)) {
      const text = this.state.plan[name] ?? "", field = byId(`plan-${name}`), slider = byId(`plan-slide-${name}`);
      field.removeAttribute("aria-invalid");
      field.classList.toggle("own", text !== "");
      if (field !== typing && field.value !== text) field.value = text;
      if (slide && slider !== typing) slider.value = Math.log10(Number(text) || (name === "price" ? 1 : 1e4));
    }
    this.unread = true;
    try {
      const began = performance.now();
      const asked = Object.fromEntries(Object.entries(this.state.plan).map(([name, text]) => [name, readPlan(name, text, this.network)]));
      this.unread = false;
      if (this.failed) throw this.failed;
      if (!this.steps) return;
      this.made = this.service.planned(this.steps, asked);
      this.write(this.made);
      (this.took ??= []).push(performance.now() - began);
    } catch (error) { this.mistaken(error); }
  }

  mistaken(error) {
    if (!(error instanceof Mistake)) throw error;
    this.made = null;
    byId("plan-numbers").classList.add("stale");
    redraw(byId("plan-says"), `<p class="mistake">${escapeHtml(error.message)}</p>`);
    byId(`plan-${error.field}`)?.setAttribute("aria-invalid", "true");
  }

  write({ gpu, concurrency, full, planned, held_by: held, knee, trusted }) {
    const cost = Number.isNaN(gpu.cost_per_1000_pages) ? null : gpu.cost_per_1000_pages, energy = Number.isNaN(gpu.energy_per_1000_pages) ? null : gpu.energy_per_1000_pages;
    const numbers = [
      ["gpus", "GPUs", gpu.gpus, "GPU"], ["concurrency", "at once on each", concurrency, "request"], ["pages_per_day", "pages a day of one", gpu.pages_per_day, "page"], ["cost_per_1000_pages", "cost of 1,000 pages", cost, "currency"],
      ["ttft_s", "first token, full", full.ttft_s, "s"], ["tpot_s", "next token, full", full.tpot_s, "s"], ["loaded_ttft_s", "first token, as planned", planned.ttft_s, "s"], ["loaded_tpot_s", "next token, as planned", planned.tpot_s, "s"], ["tokens_per_s", "output tokens a second", gpu.tokens_per_s, "token"], ["energy_per_1000_pages", "energy of 1,000 pages", energy === null ? null : energy / 3600, "Wh"],
    ];
    byId("plan-numbers").classList.remove("stale");
    redraw(byId("plan-numbers"), numbers.map(([name, title, value, unit]) => `<div><dt>${title}</dt><dd data-plan="${name}" data-value="${value ?? ""}">${escapeHtml(amount(value >= 1000 ? Math.round(value) : value, unit))}${unit === "Wh" && value !== null ? " Wh" : ""}</dd></div>`).join(""));
    redraw(byId("plan-says"), "");
    retext(byId("plan-notes"), `${concurrency} requests at once: ${HELD[held]}; the knee is at ${knee}. Full: as many at any time; as planned: requests that arrive at random, with ${significant(100 * gpu.utilisation)} % of what a GPU can do${trusted ? "" : ", more load than the formulas were held against a simulation at"}. The energy is a bound, boards at full power. Of the fields the batch${this.state.plan.mix === undefined ? " is left aside: the plan finds it" : " and what the mix says of pages are left aside"}.`);
  }
}
