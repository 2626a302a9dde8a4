// Tables of numbers: each cell shows three digits, and holds all of them.
const cell = (value, unit, more = "") => {
  const all = value === null || value === undefined ? "" : String(typeof value === "bigint" ? value : double(value));
  return `<td data-value="${all}" title="${all ? `${exactly(value)} ${escapeHtml(unit)}` : "does not exist here"}"${more}>${escapeHtml(amount(value, unit))}</td>`;
};
const STAGE_COLUMNS = [["forward_tensor_core_flops", "Tensor Core"], ["forward_cuda_core_flops", "CUDA cores"], ["forward_io_bytes", "moved"], ["forward_weight_bytes", "weights"], ["forward_kv_cache_bytes", "KV cache"], ["peak_memory_bytes", "peak memory"], ["operator_launches", "launches"], ["roofline_s", "roofline"], ["lower_bound_s", "at least"], ["device_s", "GPU busy"], ["wall_s", "wall"]];

const stageTable = (network, result) => {
  const unit = Object.fromEntries(network.data.metrics.map((metric) => [metric.name, metric.unit]));
  const rows = [...Object.entries(result.stages), ["total", result.total]];
  const head = STAGE_COLUMNS.map(([name, title]) => `<th scope="col" title="${escapeHtml(network.metric(name).definition)}">${title}</th>`).join("");
  const body = rows.map(([part, metrics]) => `<tr data-part="${part}"${part === "total" ? ' class="sum"' : ""}><th scope="row">${escapeHtml(part)}</th>${STAGE_COLUMNS.map(([name]) => cell(metrics[name], unit[name], ` data-metric="${name}"`)).join("")}</tr>`).join("");
  return `<table><thead><tr><th scope="col">stage</th>${head}</tr></thead><tbody>${body}</tbody></table>`;
};

// Every metric with all digits, of the whole and each stage.
const everyTable = (network, result) => {
  const parts = [["total", result.total], ...Object.entries(result.stages)];
  const body = network.data.metrics.map((metric) => `<tr><th scope="row" title="${escapeHtml(metric.definition)}">${metric.name} <span class="unit">${escapeHtml(metric.unit)}</span></th>${parts.map(([part, metrics]) => {
    const value = metrics[metric.name];
    const all = value === null ? "" : String(typeof value === "bigint" ? value : double(value));
    return `<td data-every="${part}/${metric.name}" data-value="${all}"${value === null ? ` title="${escapeHtml(metric.reason || "its GPU lacks a number")}"` : ""}>${exactly(value)}</td>`;
  }).join("")}</tr>`).join("");
  return `<table><thead><tr><th scope="col">metric</th>${parts.map(([part]) => `<th scope="col">${escapeHtml(part)}</th>`).join("")}</tr></thead><tbody>${body}</tbody></table>`;
};

// Two scenarios side by side: the whole of each, and how they compare.
const comparisonTable = (network, left, right) => {
  const rows = network.data.metrics.filter((metric) => left.total[metric.name] !== null || right.total[metric.name] !== null);
  const times = (here, there) => here === null || there === null || double(there) === 0 ? "–" : `${significant(double(here) / double(there))} ×`;
  return `<table><thead><tr><th scope="col">of the whole</th><th scope="col">here</th><th scope="col">kept</th><th scope="col">here / kept</th></tr></thead><tbody>${rows.map((metric) => {
    const [here, there] = [left.total[metric.name], right.total[metric.name]];
    return `<tr><th scope="row" title="${escapeHtml(metric.definition)}">${metric.name}</th>${cell(here, metric.unit)}${cell(there, metric.unit)}<td>${times(here, there)}</td></tr>`;
  }).join("")}</tbody></table>`;
};

const NODE_COLUMNS = [["calls", "calls", ""], ["forward_tensor_core_flops", "Tensor Core", "FLOP"], ["forward_io_bytes", "moved", "byte"], ["roofline_s", "roofline", "s"], ["device_s", "GPU busy", "s"]];
// The network as a tree; a layer opens, and every node has a formula behind its name.
class Tree {
  constructor(network, chosen) {
    this.network = network;
    this.opened = new Set();
    this.settled = false;
    byId("tree").addEventListener("click", (event) => {
      const opened = event.target.closest("[data-open]"), node = event.target.closest("[data-node]");
      if (opened) {
        const { open } = opened.dataset;
        if (!this.opened.delete(open)) this.opened.add(open);
        this.show(this.result);
        byId("tree").querySelector(`[data-open="${CSS.escape(open)}"]`)?.focus();
      } else if (node) chosen(node.dataset.node);
    });
  }

  // Layers that are no module themselves stand open: what is listed first are the top modules of each stage.
  settle(result) {
    const { rows } = result;
    rows.forEach((row, place) => {
      if (row.parent < 0) return;
      const layers = rows.some((below) => below.parent === place && !below.aten);
      const above = row.parent === 0 || this.opened.has(rows[row.parent].path);
      if (above && layers && (!row.class_name || row.parent === 0)) this.opened.add(row.path);
    });
    this.settled = true;
  }

  show(result) {
    this.result = result;
    if (!this.settled) this.settle(result);
    const { rows, nodes } = result, labels = labelled(result), whole_ = double(nodes.roofline_s[0]) || 1;
    const parents = new Set(rows.map((row) => row.parent));
    const lines = [], seen = new Set([0]);
    rows.forEach((row, place) => {
      if (place === 0 || !seen.has(row.parent) || labels[place] === null) return;
      const inner = parents.has(place), open = this.opened.has(row.path);
      if (open) seen.add(place);
      const depth = row.path.split("/").length, name = labels[place].split("/").pop();
      const share = double(nodes.roofline_s[place]) / whole_, runs = double(nodes.calls[place]) > 0;
      const button = inner ? `<button type="button" class="open" data-open="${escapeHtml(row.path)}" aria-expanded="${open}" aria-label="parts of ${escapeHtml(name)}">${open ? "▾" : "▸"}</button>` : '<span class="open"></span>';
      lines.push(`<tr class="${runs ? "" : "idle"}"><th scope="row"><span style="padding-left:${(depth - 1) * 0.9}em">${button}<button type="button" class="node" data-node="${escapeHtml(row.path)}" title="${escapeHtml(row.class_name || row.layer)}">${escapeHtml(name)}</button></span></th>${NODE_COLUMNS.map(([metric, , unit]) => cell(nodes[metric][place], unit)).join("")}<td class="share"><span style="width:${(100 * share).toFixed(1)}%"></span>${(100 * share).toFixed(1)} %</td></tr>`);
    });
    redraw(byId("tree"), `<table><thead><tr><th scope="col">node</th>${NODE_COLUMNS.map(([, title]) => `<th scope="col">${title}</th>`).join("")}<th scope="col" title="of the roofline's time">share</th></tr></thead><tbody>${lines.join("")}</tbody></table>`);
  }
}
