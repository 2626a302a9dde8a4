// What is asked, as text in the address: nothing of it is ever run.
const CHOICE = "choice.", SET = "set.", PLAN = "plan.", OTHER = "vs.", CHECK = "check=";
const emptyState = () => ({ workload: undefined, gpu: undefined, options: {}, settings: {}, plan: {}, waived: false });

const written = (state, before = "") => {
  const words = [];
  const add = (name, value) => words.push(`${encodeURIComponent(before + name)}=${encodeURIComponent(value)}`);
  if (state.workload !== undefined) add("workload", state.workload);
  if (state.gpu !== undefined) add("gpu", state.gpu);
  for (const [name, option] of Object.entries(state.options)) add(CHOICE + name, option);
  for (const [name, value] of Object.entries(state.settings)) add(SET + name, value);
  for (const [name, value] of Object.entries(state.plan)) add(PLAN + name, value);
  if (state.waived) add("any_grid", "1");
  return words;
};
// What an address says is summed up before it: of one that was cut off or changed on its way, no number passes for what was meant.
const summed = (words) => {
  let sum = 0x811c9dc5;
  for (const sign of words.join("&")) sum = Math.imul(sum ^ sign.codePointAt(0), 0x01000193) >>> 0;
  return sum.toString(36);
};
const toAddress = (state, other) => {
  const words = [...written(state), ...(other ? [`${OTHER}=1`, ...written(other, OTHER)] : [])];
  return words.length ? `#${CHECK}${summed(words)}&${words.join("&")}` : "#";
};

// Read an address; every word that means nothing here is named, and left out.
const fromAddress = (address, network) => {
  const state = emptyState(), said = [], known = new Set(), all = address.replace(/^#/, "").split("&").filter(Boolean);
  const words = all.filter((word) => !word.startsWith(CHECK));
  if (all.length > words.length && (all.length > words.length + 1 || all[0] !== CHECK + summed(words))) said.push("address: check: it is not as a page wrote it, but cut off or changed; see whether all that was set is here, or drop its word check");
  let other = null;
  for (const word of words) {
    const [raw, ...rest] = word.split("=");
    let name, value;
    try { [name, value] = [decodeURIComponent(raw), decodeURIComponent(rest.join("="))]; } catch { said.push(`address: '${word.slice(0, 60)}' is damaged; it is left out`); continue; }
    if (known.has(name)) { said.push(`address: ${name.slice(0, 60)} stands there twice; the first one counts`); continue; }
    known.add(name);
    let target = state;
    if (name.startsWith(OTHER)) { other ??= emptyState(); target = other; name = name.slice(OTHER.length); if (!name) continue; }
    try { readWord(target, name, value, network); } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      said.push(`address: ${error.message}; it is left out`);
    }
  }
  for (const asked of [state, other]) if (asked) asked.options = network.own(asked.options);
  return { state, other, said };
};
const readWord = (state, name, value, network) => {
  if (name === "workload" || name === "gpu") {
    if (!Object.hasOwn(network.data[`${name}s`], value)) throw new Mistake(name, `there is no '${value.slice(0, 60)}'`);
    state[name] = value;
  } else if (name === "any_grid") {
    if (value !== "1") throw new Mistake(name, "is 1 or left out");
    state.waived = true;
  } else if (name.startsWith(CHOICE)) {
    const choice = network.choices.get(name.slice(CHOICE.length));
    if (!choice) throw new Mistake(name.slice(0, 60), "there is no such choice");
    if (!Object.hasOwn(choice.options, value)) throw new Mistake(name, `there is no option '${value.slice(0, 60)}'`);
    state.options[choice.name] = value;
  } else if (name.startsWith(PLAN)) {
    readPlan(name.slice(PLAN.length), value, network);
    state.plan[name.slice(PLAN.length)] = value;
  } else if (name.startsWith(SET)) {
    const symbol = name.slice(SET.length);
    if (!network.symbols.has(symbol)) throw new Mistake(name.slice(0, 60), "there is no such symbol");
    network.check(symbol, readNumber(value, symbol));
    state.settings[symbol] = value;
  } else {
    throw new Mistake(name.slice(0, 60), "means nothing here");
  }
};
