
const { readFileSync } = require("fs");
const content = JSON.parse(readFileSync("content.json", "utf-8"));
const network = new Network(content.data);
network.read(content.programs);
const plainly = (metrics) => Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, typeof value === "bigint" ? String(value) : value]));
const times = [];
const answers = content.questions.map((asked) => ({ ...answered(asked), options: network.chosen(asked.options), own: network.own(asked.options) }));
console.log(JSON.stringify(answers));
function answered(asked) {
  try {
    const before = performance.now();
    const result = network.answer(network.question(asked));
    times.push(performance.now() - before);
    const quick = network.answer(result.question, false, result.values);
    const apart = Object.entries(result.total).filter(([name, value]) => value !== null && Math.abs(double(value) - quick.total[name]) > 1e-6 * Math.abs(quick.total[name]));
    const stages = Object.fromEntries(Object.entries(result.stages).map(([name, metrics]) => [name, plainly(metrics)]));
    return { total: plainly(result.total), stages, warnings: result.values.warnings, apart: apart.map(([name]) => name), milliseconds: performance.now() - before };
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    return { error: error.message };
  }
}
