// The page itself: what is asked is answered in doubles while it moves, and exactly once it rests.
const unpacked = async (id) => {
  const bytes = Uint8Array.from(atob(byId(id).textContent.trim()), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
};
const RESTS_AFTER = 120, FRAME = 4, WARM = 40;
const CARDS = [["ttft_s", "first token, roofline"], ["tpot_s", "next token, roofline"], ["roofline_s", "all of it, roofline"], ["device_s", "GPU busy"], ["wall_s", "time that passes"], ["peak_memory_bytes", "peak memory"], ["forward_tensor_core_flops", "Tensor Core work"], ["forward_io_bytes", "bytes moved"]];

const whenIdle = (run) => globalThis.requestIdleCallback ? requestIdleCallback(run) : setTimeout(run, FRAME);

class Page {
  constructor(network) {
    this.network = network;
    this.said = [];
    this.kept = null;
    this.asked = 0;
    const start = fromAddress(location.hash, network);
    this.state = start.state;
    this.said = start.said;
    this.kept = start.other;
    this.form = new Form(network, this.state, (done, target) => this.changed(done, target));
    this.tree = new Tree(network, (path) => this.openNode(path));
    this.plan = new PlanView(network, this.state, () => { clearTimeout(this.noting); this.noting = setTimeout(() => { if (!byId("mistakes").textContent && !this.plan.unread) this.remember(); }, RESTS_AFTER); });
    this.pages = new Pages(network, () => this.changed(true), (mix) => this.plan.take(mix));
    const against = network.data.symbols.filter((symbol) => symbol.group === "workload" && !symbol.fixed);
    byId("against").innerHTML = against.map((symbol) => `<option${symbol.name === network.data.roles.batch ? " selected" : ""}>${symbol.name}</option>`).join("");
    byId("against").addEventListener("change", () => this.changed(true));
    byId("node").addEventListener("click", (event) => { const node = event.target.closest("[data-node]"); if (node) this.openNode(node.dataset.node); });
    byId("close-node").addEventListener("click", () => { byId("node-panel").hidden = true; });
    byId("keep").addEventListener("click", () => { this.kept = structuredClone(this.state); this.changed(true); });
    byId("drop-kept").addEventListener("click", () => { this.kept = null; this.changed(true); });
    byId("swap").addEventListener("click", () => { const here = structuredClone(this.state); Object.assign(this.state, emptyState(), this.kept); this.kept = here; this.changed(true); });
    byId("link").addEventListener("click", () => this.copyLink());
    byId("csv").addEventListener("click", () => this.download("csv", "text/csv", this.asCsv()));
    byId("json").addEventListener("click", () => this.download("json", "application/json", this.asJson()));
    byId("theme").addEventListener("click", () => { const { dataset } = document.documentElement; dataset.theme = (dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark" ? "light" : "dark"; });
    byId("fields").addEventListener("toggle", () => { if (this.result) this.form.show(this.result, document.activeElement, true); }, true);
    byId("every").addEventListener("toggle", () => this.showEvery());
    new IntersectionObserver(([seen]) => { this.treeSeen = seen.isIntersecting; }).observe(byId("tree"));
    addEventListener("hashchange", () => this.fromLocation());
    // Nothing is measured while something moves: that would lay the page out in the midst of its drawing.
    this.widths = {};
    const sized = new ResizeObserver((seen) => {
      let apart = false;
      for (const { target: { id }, contentRect: { width } } of seen) {
        const before = this.widths[id];
        this.widths[id] = Math.max(280, Math.round(width));
        apart ||= before !== undefined && before !== this.widths[id];
      }
      if (apart) this.redrawn(false);
    });
    for (const chart of document.querySelectorAll(".chart")) sized.observe(chart);
  }

  wide(id) {
    return this.widths[id] ??= Math.max(280, Math.round(byId(id).getBoundingClientRect().width) || 280);
  }

  fromLocation() {
    if (location.hash === this.address || (location.hash === "" && this.address === "#")) return;
    const read = fromAddress(location.hash, this.network);
    Object.assign(this.state, emptyState(), read.state);
    this.said = read.said;
    this.kept = read.other;
    this.draw(true, null, true);
  }

  changed(done, target) {
    this.said = [];
    this.redrawn(done, target);
  }

  redrawn(done, target) {
    if (!done) this.plan.movedAt = performance.now();
    this.quick ??= requestAnimationFrame(() => { this.quick = undefined; this.draw(false, target); });
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.draw(true, done ? undefined : target), done ? 0 : RESTS_AFTER);
  }

  async draw(exactlyNow, typing, restored = false) {
    const asked = ++this.asked;
    if (exactlyNow && this.quick !== undefined) { cancelAnimationFrame(this.quick); this.quick = undefined; }
    const mistakes = [...this.said];
    let result = null, blamed = null;
    try {
      const question = this.network.question(this.state);
      const began = performance.now();
      result = this.network.answer(question, exactlyNow);
      this.result = result;
      this.show(result, exactlyNow);
      this.form.show(result, typing, exactlyNow);
      const took = performance.now() - began;
      if (!exactlyNow) (this.took ??= []).push(took);
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      mistakes.push(error.message);
      blamed = error.field;
      this.showDefaults();
      this.form.show(null, typing, exactlyNow);
    }
    this.form.blame(blamed);
    for (const id of ["answer", "cards"]) byId(id).classList.toggle("stale", result === null);
    byId("answer").dataset.exact = String(exactlyNow && result !== null);
    redraw(byId("mistakes"), mistakes.map((line) => `<p class="mistake">${escapeHtml(line)}</p>`).join(""));
    const warnings = result?.values.warnings ?? [];
    redraw(byId("warnings"), warnings.map((line) => `<p class="warning">${escapeHtml(line)}</p>`).join(""));
    if (!exactlyNow) return;
    if ((!mistakes.length && !this.plan.unread) || restored) this.remember();
    if (result) { this.showKept(result); this.showEvery(); this.drawCurve(asked); this.plan.draw(result); this.showBill(result); if (!byId("node-panel").hidden) await this.openNode(this.node, false); }
    byId("answer").dataset.drawn = String(Number(byId("answer").dataset.drawn ?? 0) + 1);
    if (result && this.warmed !== (this.warmed = this.network.variant(result.question))) this.warm(WARM);
  }

  // What first moves would wait for until a program is compiled well: run it, and in idle time draw another answer and the one
  // that is there in one go.
  warm(rounds) {
    const { asked, result, network } = this, { batch } = network.data.roles, { question, values } = result, { numbers } = values;
    for (let round = 0; round < 6; round += 1) network.answer(question, false, values);
    const some = () => {
      const began = performance.now();
      if (asked !== this.asked || result !== this.result) return;
      try {
        const other = network.answer({ ...question, settings: { ...question.settings, [batch]: numbers[batch] === 1n ? 2n : 1n } }, false);
        do {
          for (const each of [other, result]) { this.show(each, false); this.form.show(each, document.activeElement, false); }
          rounds -= 1;
        } while (rounds > 0 && performance.now() - began < FRAME);
      } catch (error) { if (!(error instanceof Mistake)) throw error; return; }
      if (rounds > 0) whenIdle(some);
    };
    whenIdle(some);
  }

  // A first question that has no answer: the defaults stand behind its mistake, dimmed.
  showDefaults() {
    if (this.result) return;
    const question = this.network.question({});
    this.result = this.network.answer(question);
    this.show(this.result, true);
    this.form.show(this.result, undefined, true);
  }

  show(result, exactlyNow) {
    const { network } = this, { total, stages, values } = result;
    const metric = (name) => network.metric(name);
    redraw(byId("cards"), CARDS.map(([name, title]) => `<div class="card" title="${escapeHtml(metric(name).definition)}"><dt>${title}</dt><dd data-card="${name}">${escapeHtml(amount(total[name], metric(name).unit))}</dd></div>`).join(""));
    redraw(byId("stages"), stageTable(network, result));
    const names = Object.keys(stages);
    redraw(byId("legend"), names.map((name, place) => `<span><i class="${seriesClass(place)}"></i>${escapeHtml(name)}</span>`).join(""));
    const line = (name, of) => ({ name, none: "not claimed", parts: names.every((stage) => stages[stage][of] !== null) ? names.map((stage, place) => ({ name: stage, value: double(stages[stage][of]), shade: seriesClass(place) })) : [] });
    redraw(byId("time"), bars("Seconds by stage", [line("at least", "lower_bound_s"), line("roofline", "roofline_s"), line("GPU busy", "device_s")], { unit: "s", width: this.wide("time") }));
    const weights = double(total.forward_weight_bytes), capacity = double(values.numbers.capacity), known = !values.lacking.capacity.length;
    const memory = names.map((stage) => {
      const cache = double(stages[stage].forward_kv_cache_bytes), peak = double(stages[stage].peak_memory_bytes);
      return { name: stage, parts: [{ name: "weights", value: weights, shade: "series-0" }, { name: "KV cache", value: cache, shade: "series-1" }, { name: "activations", value: Math.max(0, peak - weights - cache), shade: "series-2" }] };
    });
    redraw(byId("memory"), bars("Bytes at each stage's worst moment", memory, { unit: "byte", width: this.wide("memory"), marks: known ? [{ name: "capacity", value: capacity }] : [] }));
    const left = capacity - double(total.peak_memory_bytes);
    retext(byId("fits"), !known ? "The GPU's memory is not known." : left >= 0 ? `It fits: ${amount(left, "byte")} are left.` : `It does not fit: ${amount(-left, "byte")} are missing.`);
    byId("fits").classList.toggle("mistake", known && left < 0);
    const points = names.map((name, place) => ({ name, shade: seriesClass(place), intensity: double(stages[name].forward_arithmetic_intensity ?? 0), rate: (double(stages[name].forward_tensor_core_flops) + double(stages[name].forward_cuda_core_flops)) / double(stages[name].roofline_s) }));
    redraw(byId("roofline"), rooflineChart(points, { peak: double(values.numbers.tensor_core_peak), bandwidth: double(values.numbers.memory_bandwidth), width: this.wide("roofline"), height: 300 }));
    if (exactlyNow || this.treeSeen) this.tree.show(result);
  }

  showEvery() {
    if (this.result && byId("every").open && byId("answer").dataset.exact === "true") byId("every-table").innerHTML = everyTable(this.network, this.result);
  }

  showKept(result) {
    byId("comparison").hidden = !this.kept;
    byId("drop-kept").hidden = byId("swap").hidden = !this.kept;
    if (!this.kept) return;
    try {
      const question = this.network.question(this.kept);
      byId("compared").innerHTML = comparisonTable(this.network, result, this.network.answer(question));
      byId("kept-says").textContent = `Kept: ${written(this.kept).map((word) => decodeURIComponent(word).replace(/^set\.|^choice\./, "")).join(", ") || "the defaults"}.`;
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      byId("compared").innerHTML = `<p class="mistake">kept scenario: ${escapeHtml(error.message)}</p>`;
    }
  }

  showBill(result) {
    try { this.pages.show(result.question); } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      byId("bill").innerHTML = `<p class="mistake">${escapeHtml(error.message)}</p>`;
    }
  }

  // Points of the curve, a few in each frame, so that nothing waits for it.
  drawCurve(asked) {
    const { network, result } = this, name = byId("against").value, symbol = network.symbols.get(name);
    const here = double(result.values.numbers[name]), steps = [];
    const step = here >= 256 ? Math.min(64, here & -here) : 1;
    for (let value = Math.max(symbol.least, step, 1); value <= Math.max(256 * step, 4 * here) && steps.length < 40; value = Math.max(value + step, Math.round(value * 1.5 / step) * step)) steps.push(value);
    const metrics = [["ttft_s", "first token", "series-0"], ["tpot_s", "each further token", "series-1"]].filter(([metric]) => result.total[metric] !== null);
    const curves = metrics.map(([metric, title, shade]) => ({ metric, name: title, shade, points: [] }));
    const some = () => {
      if (asked !== this.asked) return;
      const began = performance.now();
      while (steps.length && performance.now() - began < FRAME) {
        const value = steps.shift();
        try {
          const settings = { ...result.question.settings, [name]: BigInt(value) };
          const { total } = network.answer({ ...result.question, settings }, false);
          for (const curve of curves) if (total[curve.metric] !== null) curve.points.push([value, total[curve.metric]]);
        } catch (error) { if (!(error instanceof Mistake)) throw error; }
      }
      if (steps.length) { requestAnimationFrame(some); return; }
      redraw(byId("curve"), curveChart(curves, { xName: titleOf(name), here, width: this.wide("curve"), height: 280 }));
      redraw(byId("curve-legend"), curves.map((curve) => `<span><i class="${curve.shade}"></i>${curve.name}</span>`).join(""));
    };
    requestAnimationFrame(some);
  }

  async openNode(path, focus = true) {
    this.node = path;
    this.formulas ??= await unpacked("formulas");
    if (byId("answer").dataset.exact !== "true") return;
    byId("node").innerHTML = nodePage(this.network, this.formulas, this.result, path);
    byId("node-panel").hidden = false;
    if (focus) byId("node-title")?.focus();
  }

  remember() {
    this.address = toAddress(this.state, this.kept);
    const address = this.address === "#" ? location.pathname + location.search : this.address;
    try { history.replaceState(null, "", address); } catch { location.replace(this.address); }
  }

  async copyLink() {
    this.remember();
    try { await navigator.clipboard.writeText(location.href); byId("copied").textContent = "Copied."; } catch { byId("copied").textContent = "The address bar has the link."; }
  }

  asJson() {
    const plainly = (metrics) => Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, value]));
    const { result, network } = this;
    const content = { model: network.data.model, version: network.data.version, question: result.question, values: result.values.numbers, warnings: result.values.warnings, total: plainly(result.total), stages: result.stages, plan: this.plan.made ?? undefined };
    // JSON has whole numbers of any length; JavaScript has no other way to write them.
    const text = JSON.stringify(content, (_, value) => typeof value === "bigint" ? `\u0001${value}\u0001` : value instanceof Ratio ? double(value) : value, 1);
    return text.replace(/"\\u0001(-?\d+)\\u0001"/g, "$1");
  }

  asCsv() {
    const { result, network } = this, parts = [["total", result.total], ...Object.entries(result.stages)];
    const lines = network.data.metrics.map((metric) => [metric.name, metric.unit, ...parts.map(([, metrics]) => metrics[metric.name] ?? "")]);
    return [["metric", "unit", ...parts.map(([part]) => part)], ...lines].map((line) => line.join(",")).join("\r\n") + "\r\n";
  }

  download(suffix, type, content) {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([content], { type })), download: `${this.network.data.model}-${this.result.question.workload}-${this.result.question.gpu}.${suffix}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}

const start = async () => {
  const [data, programs] = await Promise.all([unpacked("data"), unpacked("programs")]);
  const network = new Network(data);
  network.read(programs);
  const page = new Page(network);
  globalThis.explorer = page;
  await page.draw(true, undefined, true);
  document.body.classList.add("ready");
};
start().catch((error) => { byId("mistakes").innerHTML = `<p class="mistake">${escapeHtml(error.message)}: this page needs a browser of 2023 or later</p>`; throw error; });
