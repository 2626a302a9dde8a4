
const { readFileSync } = require("fs");
const content = JSON.parse(readFileSync("content.json", "utf-8"));
const network = new Network(content.data);
network.read(content.programs);
const service = new Service(network);
const FLEET = ["gpus", "arrivals_per_s", "pages_per_s", "pages_per_day", "tokens_per_s", "headroom", "cost_per_1000_pages", "energy_per_1000_pages"];
const LOAD = ["requests_per_s", "ttft_s", "tpot_s", "busy"];
const picked = (names, from) => Object.fromEntries(names.map((name) => [name, Number.isNaN(from[name]) ? null : from[name]]));
console.log(JSON.stringify(content.questions.map((asked) => {
  try {
    const { mix, ...wishes } = asked.plan, began = performance.now();
    const running = service.steps(network.question(asked), mix === undefined ? undefined : readMix(mix, network));
    let runs = 0, next = running.next();
    for (; !next.done; next = running.next()) runs += 1;
    const between = performance.now(), made = service.planned(next.value, wishes);
    return {
      ...picked(FLEET, made.gpu), concurrency: made.concurrency, held_by: made.held_by, knee: made.knee,
      full: { ...picked(LOAD, made.full), running: made.full.running, trusted: made.full_trusted },
      planned: { ...picked(LOAD, made.planned), running: made.planned.mean_running, trusted: made.trusted },
      milliseconds: [between - began, performance.now() - between], runs,
    };
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    return { error: error.message };
  }
})));
