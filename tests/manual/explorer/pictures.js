// Pictures of the page at two widths, light and dark, and the faults that axe-core finds in each. Of those in OUT
// reports/explorer has light, plan, node, compare-dark and narrow-dark. Run it as:
//   dsocr explore --out /tmp/explorer.html && node pictures.js /tmp/explorer.html OUT [/usr/bin/chromium]
const { chromium } = require("playwright-core");
const { readFileSync } = require("fs");
const [, , file, out, executablePath = "/usr/bin/chromium"] = process.argv;
const ASKED = "#workload=gundam&gpu=h200&set.batch=8";
const PLANNED = "#gpu=h200&choice.execution=served&plan.pages_per_day=2e6&plan.price=2.5&plan.ttft=1&plan.mix=gundam%3D0.6%2Cbase%3D0.4";

(async () => {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
  const axe = readFileSync(require.resolve("axe-core"), "utf-8");
  const open = async (width, height, colorScheme, address) => {
    const page = await (await browser.newContext({ viewport: { width, height }, colorScheme })).newPage();
    page.on("pageerror", (error) => console.log("error", error.message));
    await page.goto(`file://${file}${address}`);
    await page.waitForSelector("body.ready");
    await page.waitForSelector("#curve svg");
    await page.waitForSelector("[data-plan]");
    await page.waitForTimeout(500);
    return page;
  };
  const looked = async (page, name, clip) => {
    await page.screenshot({ path: `${out}/${name}.png`, ...clip });
    if (!await page.evaluate(() => globalThis.axe !== undefined)) await page.addScriptTag({ content: axe });
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    console.log(name, "overflow", overflow, "faults", violations.map((fault) => `${fault.impact} ${fault.id}: ${fault.nodes.slice(0, 3).map((node) => node.html.slice(0, 100)).join(" | ")}`));
  };
  for (const colour of ["light", "dark"]) {
    const shade = colour === "light" ? "" : "-dark";
    for (const [size, width, height] of [["", 1600, 1000], ["narrow-", 400, 860]]) {
      const page = await open(width, height, colour, ASKED);
      await looked(page, `${size}${colour}`);
      await looked(page, `${size}whole${shade}`, { fullPage: true });
      await page.evaluate(() => { for (const path of ["prefill", "prefill/layers.1-11", "prefill/layers.1-11/self_attn"]) explorer.tree.opened.add(path); explorer.tree.show(explorer.result); });
      await page.click('#tree [data-node^="prefill/layers.1-11/self_attn/"]');
      await page.waitForSelector("#node h3");
      await page.locator(".nodes").scrollIntoViewIfNeeded();
      await looked(page, `${size}node${shade}`);
      await page.evaluate(() => scrollTo(0, 0));
      await page.click("#keep");
      await page.selectOption("#gpu", "l4");
      await page.waitForTimeout(700);
      await looked(page, `${size}compare${shade}`);
      const planning = await open(width, height, colour, PLANNED);
      await planning.evaluate(() => document.getElementById("plan").scrollIntoView());
      await looked(planning, `${size}plan${shade}`);
      await page.context().close();
      await planning.context().close();
    }
  }
  await browser.close();
})().catch((error) => { console.error(error); process.exit(1); });
