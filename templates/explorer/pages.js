// Pages that were dropped: each is cut as the network cuts it, and billed by the same program.
class Pages {
  constructor(network, changed, planned) {
    this.network = network;
    this.pages = [];
    this.said = [];
    const zone = byId("drop");
    const { crops } = network.data.roles;
    byId("documents").hidden = !crops;
    if (!crops) return;
    for (const kind of ["dragover", "dragenter"]) zone.addEventListener(kind, (event) => { event.preventDefault(); zone.classList.add("over"); });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => { event.preventDefault(); zone.classList.remove("over"); this.read([...event.dataTransfer.files]).then(changed); });
    byId("files").addEventListener("change", (event) => this.read([...event.target.files]).then(changed));
    byId("clear").addEventListener("click", () => { this.pages = []; this.said = []; byId("files").value = ""; changed(); });
    byId("dpi").addEventListener("change", changed);
    byId("plan-pages").addEventListener("click", () => planned(this.mix));
  }

  async read(files) {
    for (const file of files) {
      try {
        const dpi = Number(byId("dpi").value);
        if (!(dpi > 0 && dpi <= 2400)) throw new Error("dpi: expected a number from 1 to 2400");
        const sizes = await pageSizes(new Uint8Array(await file.arrayBuffer()), dpi);
        sizes.forEach(([width, height], page) => {
          if (width > 0 && height > 0) this.pages.push({ file: file.name, page: page + 1, width, height });
          else this.said.push(`${file.name}, page ${page + 1}: ${width} x ${height} pixels is no page`);
        });
      } catch (error) {
        this.said.push(`${file.name}: ${error.message}; it is left out`);
      }
    }
  }

  show(question) {
    const { network, pages } = this, { crops, image_tokens: image, prompt_tokens: prompt } = network.data.roles;
    if (!crops) return;
    byId("clear").hidden = !pages.length && !this.said.length;
    byId("plan-pages").hidden = true;
    if (!pages.length) { byId("bill").innerHTML = this.said.map((line) => `<p class="mistake">${escapeHtml(line)}</p>`).join(""); return; }
    const native = network.data.workloads[question.workload].document === "native";
    const settings = { ...question.settings };
    for (const name of [crops.columns, crops.rows, crops.number]) delete settings[name];
    // What options say of pages holds where neither the workload nor the user does.
    const documents = Object.assign({}, ...Object.entries(question.options).map(([name, option]) => network.choices.get(name).options[option].documents));
    const of = (grid) => network.answer({ ...question, documents, settings: { ...settings, [crops.columns]: String(grid[0]), [crops.rows]: String(grid[1]) } });
    const known = new Map(), uncut = of([0, 0]);
    const number = (name) => typeof name === "string" ? double(uncut.values.numbers[name]) : name;
    const cutting = { side: number(crops.side), uncut: number(crops.uncut), least: number(crops.least), most: number(crops.most) };
    let rows = "";
    for (const page of pages.slice(0, 5000)) {
      const grid = native ? [0, 0] : cropGrid(page.width, page.height, cutting), key = grid.join(" × ");
      if (!known.has(key)) known.set(key, { result: of(grid), count: 0 });
      const group = known.get(key), { total, values } = group.result;
      group.count += 1;
      if (group.rows === undefined && (group.rows = true) && known.size > 200) throw new Mistake("documents", "more than 200 grids");
      if (rows.length < 200000) rows += `<tr><th scope="row">${escapeHtml(page.file)} ${page.page}</th><td>${page.width} × ${page.height}</td><td data-grid="${grid.join("x")}">${grid[0] ? key : "none"}</td><td>${exactly(values.numbers[image])}</td><td>${exactly(values.numbers[prompt])}</td>${cell(total.forward_tensor_core_flops, "FLOP")}${cell(total.roofline_s, "s")}</tr>`;
    }
    this.mix = [...known].map(([key, { count }]) => `${key.replace(" × ", "x")}=${count}/${pages.length}`).join(",");
    byId("plan-pages").hidden = !network.data.plan || pages.length > 5000;
    // What adds up over pages does, what is a largest one is the largest.
    const groups = [...known.values()], metrics = network.data.metrics.filter((metric) => metric.over_pages);
    const together = metrics.map((metric) => {
      const values = groups.map(({ result, count }) => [result.total[metric.name], count]);
      if (values.some(([value]) => value === null)) return [metric, null];
      const sum = () => whole(values.reduce((added, [value, count]) => EXACT.A(added, EXACT.M(value, BigInt(count))), 0n));
      return [metric, metric.over_pages === "sum" ? sum() : values.map(([value]) => value).reduce((left, right) => EXACT.X(left, right))];
    }).filter(([, value]) => value !== null);
    byId("bill").innerHTML = `${this.said.map((line) => `<p class="mistake">${escapeHtml(line)}</p>`).join("")}<p><strong>${pages.length} page${pages.length === 1 ? "" : "s"}</strong>, one after the other: ${["forward_tensor_core_flops", "forward_io_bytes", "roofline_s", "device_s", "wall_s", "peak_memory_bytes"].flatMap((name) => together.filter(([metric]) => metric.name === name)).map(([metric, value]) => `${titleOf(metric.name.replace(/^forward_|_(s|bytes|flops)$/g, ""))} <span data-bill="${metric.name}" data-value="${value}">${amount(value, metric.unit)}</span>`).join(", ")}</p><div class="scroll"><table><thead><tr><th scope="col">page</th><th scope="col">pixels</th><th scope="col">crops</th><th scope="col">image tokens</th><th scope="col">prompt tokens</th><th scope="col">Tensor Core</th><th scope="col">roofline</th></tr></thead><tbody>${rows}</tbody></table></div>`;
  }
}
