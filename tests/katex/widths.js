// Reads a JSON list of formulas from standard input, prints a JSON list of their widths in em as MathJax sets them.
const { mathjax } = require("mathjax-full/js/mathjax.js");
const { TeX } = require("mathjax-full/js/input/tex.js");
const { SVG } = require("mathjax-full/js/output/svg.js");
const { liteAdaptor } = require("mathjax-full/js/adaptors/liteAdaptor.js");
const { RegisterHTMLHandler } = require("mathjax-full/js/handlers/html.js");
const { AllPackages } = require("mathjax-full/js/input/tex/AllPackages.js");

const adaptor = liteAdaptor();
RegisterHTMLHandler(adaptor);
const jax = { InputJax: new TeX({ packages: AllPackages }), OutputJax: new SVG({ fontCache: "none" }) };
const page = mathjax.document("", jax);

let input = "";
process.stdin.on("data", (chunk) => (input += chunk));
process.stdin.on("end", () => {
  const widths = JSON.parse(input).map((formula) => {
    const svg = adaptor.firstChild(page.convert(formula, { display: true, containerWidth: 1e6 }));
    return Number(adaptor.getAttribute(svg, "viewBox").split(" ")[2]) / 1000;
  });
  process.stdout.write(JSON.stringify(widths));
});
