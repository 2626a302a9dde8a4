// Reads a JSON list of formulas from standard input, prints a JSON list of those that KaTeX refuses, and why.
const katex = require("katex");

let input = "";
process.stdin.on("data", (chunk) => (input += chunk));
process.stdin.on("end", () => {
  const refused = [];
  for (const formula of JSON.parse(input)) {
    try {
      katex.renderToString(formula, { displayMode: true, strict: "error", throwOnError: true });
    } catch (error) {
      refused.push({ formula, why: String(error.message) });
    }
  }
  process.stdout.write(JSON.stringify(refused));
});
