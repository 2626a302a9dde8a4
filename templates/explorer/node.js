// One node: its formula, the same with numbers put in, its source and how it is proven.
const filledIn = (markup, fill) => markup.replace(/\{(\d+)\}/g, (_, place) => fill(Number(place)));
const math = (inside) => `<math display="block"><mrow>${inside}</mrow></math>`;

const nodePage = (network, formulas, result, path) => {
  const place = result.rows.findIndex((row) => row.path === path);
  if (place < 0) return "";
  const row = result.rows[place], name = labelled(result)[place] ?? path;
  const file = formulas.files[row.layer], of = formulas.nodes[result.places[place]];
  const { symbols } = network.data, { numbers } = result.values;
  const letter = (index) => `<mrow title="${escapeHtml(`${symbols[index].name}: ${symbols[index].meaning}`)}">${symbols[index].markup}</mrow>`;
  const number = (index) => { const value = whole(numbers[symbols[index].name]); return typeof value === "bigint" ? `<mn>${grouped(value)}</mn>` : `<mn>${String(Number(double(value).toPrecision(8)))}</mn>`; };
  let html = `<h3 id="node-title" tabindex="-1">${escapeHtml(name)}</h3><p>${escapeHtml(file.summary)}${row.class_name ? ` · class <code>${escapeHtml(row.class_name)}</code>` : ""}${row.module ? ` · module <code>${escapeHtml(row.module)}</code>` : ""}</p>`;
  if (of) {
    formulas.shown.forEach((metric, which) => {
      const known = network.metric(metric), markup = formulas.texts[of[which]], value = result.nodes[metric][place];
      if (markup === "<mn>0</mn>") { html += `<h4>${escapeHtml(titleOf(metric))}: 0</h4>`; return; }
      html += `<h4 title="${escapeHtml(known.definition)}">${escapeHtml(titleOf(metric))}</h4><div class="formula">${math(`${known.markup}<mo>=</mo>${filledIn(markup, letter)}`)}${math(`<mo>=</mo>${filledIn(markup, number)}`)}${math(`<mo>=</mo><mn>${exactly(value)}</mn><mtext>\u00a0${escapeHtml(known.unit)}</mtext>`)}</div>`;
    });
    const used = [...new Set(of.flatMap((index) => [...formulas.texts[index].matchAll(/\{(\d+)\}/g)].map((found) => Number(found[1]))))];
    html += `<details><summary>${used.length} symbols of it</summary><dl>${used.map((index) => `<dt><math>${symbols[index].markup}</math> ${escapeHtml(titleOf(symbols[index].name))}</dt><dd>${escapeHtml(symbols[index].meaning)}: ${exactly(whole(numbers[symbols[index].name]))} ${escapeHtml(symbols[index].unit)}</dd>`).join("")}</dl></details>`;
  } else {
    const below = result.rows.map((other, index) => index).filter((index) => result.rows[index].parent === place && double(result.nodes.calls[index]) > 0);
    html += `<p>It adds up what runs in it:</p><ul>${below.map((index) => `<li><button type="button" class="node" data-node="${escapeHtml(result.rows[index].path)}">${escapeHtml(result.rows[index].path.split("/").pop())}</button> ${escapeHtml(amount(result.nodes.forward_tensor_core_flops[index], "FLOP"))} on Tensor Cores, ${escapeHtml(amount(result.nodes.forward_io_bytes[index], "byte"))} moved, ${escapeHtml(amount(result.nodes.roofline_s[index], "s"))}</li>`).join("")}</ul>`;
  }
  if (file.why) html += `<p>${escapeHtml(file.why)}</p>`;
  html += `<h4>Where it is from</h4><p><code>${escapeHtml(file.file)}</code>${file.source ? `, which describes ${escapeHtml(file.source)}` : ""}</p>`;
  const { proven, calls, killed, mutants, uncounted } = file.proof;
  html += "<h4>How it is known</h4><ul>";
  for (const cell_ of proven) html += `<li>proven for all sizes: ${escapeHtml(cell_)}</li>`;
  for (const [on, [count, differing]] of Object.entries(calls)) html += `<li>${count} call${count === 1 ? "" : "s"} counted on ${escapeHtml(on.replaceAll("`", ""))}, ${differing} differ</li>`;
  if (mutants) html += `<li>${killed} of ${mutants} changed copies of it are told from it by a count</li>`;
  if (uncounted) html += `<li>${escapeHtml(uncounted)}</li>`;
  if (!proven.length && !Object.keys(calls).length && !mutants && !uncounted) html += "<li>no record of it lies beside this page</li>";
  return `${html}</ul>`;
};
