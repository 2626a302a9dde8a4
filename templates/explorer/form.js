// The fields: named workload, GPU, choices, and a number and a slider for each symbol that may be set.
const byId = (id) => document.getElementById(id);
const GROUPS = [["workload", "Workload"], ["derived", "Follows from these"], ["constant", "Architecture"], ["convention", "Sizes of elements, costs of functions"], ["machine", "Machine"]];

class Form {
  constructor(network, state, changed) {
    this.network = network;
    this.state = state;
    this.changed = changed;
    this.inputs = new Map();
    this.build();
  }

  build() {
    const { data } = this.network;
    const pick = (id, name, options, chosen) => `<label class="field" for="${id}"><span>${escapeHtml(name)}</span><select id="${id}">${options.map(([value, said]) => `<option value="${escapeHtml(value)}"${value === chosen ? " selected" : ""}>${escapeHtml(said)}</option>`).join("")}</select></label>`;
    let html = pick("workload", "Workload", Object.keys(data.workloads).map((name) => [name, name]), data.default_workload);
    html += `<p class="hint" id="workload-says"></p>`;
    html += pick("gpu", "GPU", Object.entries(data.gpus).map(([name, gpu]) => [name, gpu.title]), data.default_gpu);
    html += `<p class="hint" id="gpu-says"></p>`;
    for (const [group, title] of GROUPS) {
      const symbols = data.symbols.filter((symbol) => symbol.group === group && !symbol.fixed);
      if (!symbols.length) continue;
      html += `<details id="group-${group}"${group === "workload" ? " open" : ""}><summary>${title} <span class="count" data-count="${group}"></span></summary>${symbols.map((symbol) => this.field(symbol)).join("")}</details>`;
      if (group === "workload") html += `<details open><summary>Choices</summary>${data.choices.map((choice) => pick(`choice-${choice.name}`, choice.name, Object.keys(choice.options).map((name) => [name, name]), choice.default).replace('class="field"', `class="field" title="${escapeHtml(choice.summary)}"`)).join("")}${data.rules.some((rule) => rule.waived_by) ? '<label class="field check"><input type="checkbox" id="any_grid"> <span>any crop grid</span></label>' : ""}</details>`;
    }
    byId("fields").innerHTML = html;
    for (const symbol of data.symbols) {
      const number = byId(`set-${symbol.name}`);
      if (number) this.inputs.set(symbol.name, { symbol, number, slider: byId(`slide-${symbol.name}`), reset: byId(`reset-${symbol.name}`) });
    }
    byId("fields").addEventListener("input", (event) => this.edited(event.target, false));
    // A slider moved by keys says so at each of them: it rests as others do.
    byId("fields").addEventListener("change", (event) => this.edited(event.target, !event.target.dataset.slide));
    byId("fields").addEventListener("click", (event) => {
      const name = event.target.dataset.reset;
      if (!name) return;
      delete this.state.settings[name];
      this.changed(true);
      this.inputs.get(name).number.focus();
    });
    byId("reset").addEventListener("click", () => { Object.assign(this.state, emptyState()); this.changed(true); });
  }

  field(symbol) {
    const { name } = symbol, said = escapeHtml(symbol.meaning);
    const unit = symbol.unit ? `<span class="unit">${escapeHtml(symbol.unit)}</span>` : "";
    return `<div class="symbol" id="field-${name}"><label for="set-${name}" title="${said}"><math>${symbol.markup}</math> <span>${escapeHtml(titleOf(name))}</span> ${unit}</label>
<input id="set-${name}" inputmode="decimal" autocomplete="off" spellcheck="false" data-symbol="${name}" aria-describedby="means-${name}">
<input id="slide-${name}" type="range" data-slide="${name}" aria-label="${escapeHtml(titleOf(name))}, slider"><button type="button" id="reset-${name}" data-reset="${name}" title="as the workload and the formulas say" aria-label="reset ${escapeHtml(titleOf(name))}">↺</button>
<p class="means" id="means-${name}">${said}</p></div>`;
  }

  edited(target, done) {
    const { state } = this;
    if (target.id === "workload" || target.id === "gpu") state[target.id] = target.value;
    else if (target.id === "any_grid") state.waived = target.checked;
    else if (target.id.startsWith("choice-")) {
      const name = target.id.slice(7);
      // What follows from the other options is no choice; what was chosen and now follows is none any more.
      if (target.value === this.network.following(state.options, name)) delete state.options[name];
      else state.options[name] = target.value;
      state.options = this.network.own(state.options);
    } else if (target.dataset.symbol) {
      if (target.value.trim() === "") delete state.settings[target.dataset.symbol];
      else state.settings[target.dataset.symbol] = target.value.trim();
    } else if (target.dataset.slide) {
      const { symbol } = this.inputs.get(target.dataset.slide);
      state.settings[symbol.name] = this.slid(symbol, target);
    } else return;
    this.changed(done, target);
  }

  // Sliders of whole numbers move in steps, those of real ones from an eighth to eight times, each step a 32nd octave.
  slid(symbol, slider) {
    if (!symbol.real) return slider.value;
    const value = Number(slider.dataset.middle) * 2 ** (Number(slider.value) / 32);
    return String(Number(value.toPrecision(4)));
  }

  placeSlider(symbol, slider, value) {
    const number = double(value);
    if (symbol.real) {
      if (!slider.dataset.middle || !symbol.settled) { slider.min = -96; slider.max = 96; slider.step = 1; slider.dataset.middle = String(number || 1); symbol.settled = true; }
      slider.value = number > 0 ? Math.round(32 * Math.log2(number / Number(slider.dataset.middle))) : -96;
      return;
    }
    if (!symbol.settled) {
      const step = number >= 256 ? Math.min(64, number & -number) : 1;
      slider.step = step;
      slider.min = step > 1 ? step : symbol.least;
      slider.max = number >= 256 ? 4 * number : number >= 17 ? 4 * number : 64;
      symbol.settled = true;
    }
    if (number > Number(slider.max)) slider.max = number;
    slider.value = number;
  }

  // Show what holds now; a field that is being typed into keeps its text.
  show(result, typing, resting) {
    const { state, network } = this, { data } = network;
    byId("workload").value = state.workload ?? data.default_workload;
    byId("gpu").value = state.gpu ?? data.default_gpu;
    const gpu = data.gpus[byId("gpu").value], workload = data.workloads[byId("workload").value];
    retext(byId("workload-says"), workload.summary);
    retext(byId("gpu-says"), [gpu.chip, gpu.derived_from && gpu.derived_from !== byId("gpu").value ? `not measured: seconds of kernels are derived from ${gpu.derived_from}` : "", gpu.unverified.length ? `unverified: ${gpu.unverified.join(", ")}` : ""].filter(Boolean).join("; "));
    if (byId("any_grid")) byId("any_grid").checked = state.waived;
    for (const [name, option] of Object.entries(network.chosen(state.options))) {
      byId(`choice-${name}`).value = option;
      byId(`choice-${name}`).classList.toggle("own", Object.hasOwn(state.options, name));
    }
    const counts = {};
    for (const [name, { symbol, number, slider, reset }] of this.inputs) {
      // While something moves, groups that are closed can wait.
      if (!resting && !this.isOpen(symbol.group)) continue;
      const own = Object.hasOwn(state.settings, name);
      if (own) counts[symbol.group] = (counts[symbol.group] ?? 0) + 1;
      number.classList.toggle("own", own);
      if (reset.hidden === own) reset.hidden = !own;
      const text = own ? state.settings[name] : result ? this.plainly(result.values, name) : number.value;
      if (number !== typing && number.value !== text) number.value = text;
      const value = result?.values.numbers[name];
      if (value !== undefined && slider !== typing) this.placeSlider(symbol, slider, value);
    }
    for (const element of document.querySelectorAll("[data-count]")) { const count = counts[element.dataset.count]; retext(element, count ? `${count} set` : ""); }
  }

  isOpen(group) {
    return byId(`group-${group}`).open;
  }

  plainly(values, name) {
    if (values.lacking[name]?.length) return "";
    const value = whole(values.numbers[name]);
    return typeof value === "bigint" ? String(value) : String(Number(double(value).toPrecision(8)));
  }

  blame(field) {
    for (const element of document.querySelectorAll("[aria-invalid]")) element.removeAttribute("aria-invalid");
    const target = byId(`set-${field}`) ?? byId(`choice-${field}`) ?? byId(field);
    if (target?.closest("#fields")) { target.setAttribute("aria-invalid", "true"); const group = target.closest("details"); if (group) group.open = true; }
  }
}
