// Drives the page in Chromium as a user would: through its own fields. Says what it found as JSON.
const { chromium } = require("playwright-core");
const { readFileSync } = require("fs");
const job = JSON.parse(readFileSync(process.argv[2], "utf-8"));

const ask = (page, question) => page.evaluate(async (asked) => {
  const wait = async (from) => { for (let round = 0; round < 400; round += 1) { if (Number(document.getElementById("answer").dataset.drawn) > from) return; await new Promise((done) => setTimeout(done, 10)); } throw new Error("not drawn"); };
  const drawn = () => Number(document.getElementById("answer").dataset.drawn ?? 0);
  const give = (id, value) => { const field = document.getElementById(id); field.value = value; if (field.value !== value) throw new Error(`${id} takes no ${value}`); field.dispatchEvent(new Event("input", { bubbles: true })); field.dispatchEvent(new Event("change", { bubbles: true })); };
  let from = drawn();
  document.getElementById("reset").click();
  await wait(from);
  from = drawn();
  give("workload", asked.workload);
  give("gpu", asked.gpu);
  for (const [name, option] of Object.entries(asked.options)) give(`choice-${name}`, option);
  for (const [name, value] of Object.entries(asked.settings)) give(`set-${name}`, value);
  await wait(from);
  await new Promise((done) => setTimeout(done, 5));
}, question);

const shown = (page) => page.evaluate(() => {
  document.getElementById("every").open = true;
  explorer.showEvery();
  const mistakes = [...document.querySelectorAll("#mistakes .mistake")].map((line) => line.textContent);
  if (mistakes.length) return { error: mistakes.join("; "), blamed: [...document.querySelectorAll("[aria-invalid]")].map((field) => field.id) };
  const found = { total: {}, stages: {}, warnings: [...document.querySelectorAll("#warnings .warning")].map((line) => line.textContent) };
  for (const cell of document.querySelectorAll("[data-every]")) {
    const [part, metric] = cell.dataset.every.split("/");
    const text = cell.dataset.value, value = text === "" ? null : /^-?\d+$/.test(text) ? text : Number(text);
    if (part === "total") found.total[metric] = value; else (found.stages[part] ??= {})[metric] = value;
  }
  return found;
});

(async () => {
  const browser = await chromium.launch({ executablePath: job.chromium, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
  const errors = [], answers = [], restored = [];
  const open = async (address, size = { width: 1600, height: 1000 }) => {
    const page = await (await browser.newContext({ viewport: size })).newPage();
    // Other tests may take the machine meanwhile.
    page.setDefaultTimeout(120000);
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("request", (request) => { if (!/^(file|data|blob):/.test(request.url())) errors.push(`asks for ${request.url()}`); });
    await page.goto(address);
    await page.waitForSelector("body.ready");
    return page;
  };
  const page = await open(job.page);
  const paint = await page.evaluate(() => performance.getEntriesByType("paint").map((entry) => entry.startTime));
  for (const question of job.questions) {
    await ask(page, question);
    const found = await shown(page);
    answers.push(found);
    if (restored.length < 2 && !found.error) {
      const other = await open(await page.evaluate(() => location.href));
      restored.push([found, await shown(other)]);
      await other.context().close();
    }
  }
  // Words of links: the first ones as the page opens, the others as an address that is typed.
  const typed = (address) => page.evaluate(async (asked) => {
    const from = document.getElementById("answer").dataset.drawn;
    location.hash = asked;
    for (let round = 0; round < 400 && document.getElementById("answer").dataset.drawn === from; round += 1) await new Promise((done) => setTimeout(done, 5));
    return [asked, document.getElementById("mistakes").textContent];
  }, address);
  const said = {};
  for (const [place, [name, address]] of Object.entries(job.damaged).entries()) {
    if (place > 2) { said[name] = (await typed(address))[1]; continue; }
    const other = await open(`${job.page}${address}`);
    said[name] = await other.evaluate(() => document.getElementById("mistakes").textContent);
    await other.context().close();
  }
  // The page's own link, cut off and changed at many places.
  await ask(page, job.questions[0]);
  const whole = await page.evaluate(() => location.hash), cut = [];
  for (let place = 2; place < whole.length; place += Math.ceil(whole.length / 12)) cut.push(await typed(whole.slice(0, place)), await typed(whole.slice(0, place) + whole.slice(place + 1)));
  const dropped = await open(job.page);
  await dropped.setInputFiles("#files", job.files);
  await dropped.waitForSelector("[data-bill]");
  const billed = () => dropped.evaluate(() => ({
    grids: [...document.querySelectorAll("[data-grid]")].map((cell) => cell.dataset.grid),
    total: Object.fromEntries([...document.querySelectorAll("[data-bill]")].map((cell) => [cell.dataset.bill, cell.dataset.value])),
    mistakes: [...document.querySelectorAll("#bill .mistake")].map((line) => line.textContent),
  }));
  const bill = await billed();
  await dropped.click("#plan-pages");
  await dropped.waitForFunction(() => explorer.plan.key.includes("=1/5") && explorer.plan.steps && !document.querySelector("#plan-numbers.stale"));
  const ofPages = await dropped.evaluate(() => Object.fromEntries([...document.querySelectorAll("[data-plan]")].map((cell) => [cell.dataset.plan, cell.dataset.value])));
  const drawn = () => dropped.evaluate(() => Number(document.getElementById("answer").dataset.drawn));
  const before = await drawn();
  await dropped.selectOption("#choice-execution", "served");
  while (await drawn() === before) await dropped.waitForTimeout(20);
  const served = await billed();
  await dropped.evaluate(() => document.querySelector("#tree [data-node]").click());
  await dropped.waitForSelector("#node h3");
  // A slider by keys: every press is redrawn.
  await dropped.focus("#slide-new_tokens");
  for (let press = 0; press < 30; press += 1) { await dropped.keyboard.press("ArrowRight"); await dropped.waitForTimeout(20); }
  const redraws = await dropped.evaluate(() => explorer.took);
  const keyed = await dropped.evaluate(() => document.getElementById("set-new_tokens").value);
  // A plan by its own fields, the link to it, and a slider of it by keys.
  const planned = (from) => from.evaluate(() => Object.fromEntries([...document.querySelectorAll("[data-plan]")].map((cell) => [cell.dataset.plan, cell.dataset.value])));
  const planning = await open(`${job.page}${job.planned}`);
  await planning.waitForSelector("[data-plan]");
  for (const [name, value] of Object.entries(job.wishes)) await planning.fill(`#plan-${name}`, value);
  await planning.waitForTimeout(400);
  const plan = await planned(planning), linked = await open(await planning.evaluate(() => location.href));
  await linked.waitForSelector("[data-plan]");
  const replanned = await planned(linked);
  await linked.focus("#plan-slide-pages_per_day");
  for (let press = 0; press < 20; press += 1) { await linked.keyboard.press("ArrowRight"); await linked.waitForTimeout(20); }
  const moved = await planned(linked), replans = await linked.evaluate(() => explorer.plan.took);
  // A mix of workloads takes steps of its own.
  await linked.fill("#plan-pages_per_day", job.wishes.pages_per_day);
  for (const [name, value] of Object.entries(job.mixed)) await linked.fill(`#plan-${name}`, value);
  await linked.waitForFunction((mix) => explorer.plan.key.includes(mix) && explorer.plan.steps && !document.querySelector("#plan-numbers.stale") && document.querySelector('[data-plan="concurrency"]').dataset.value === "9", job.mixed.mix);
  const mixed = await planned(linked);
  await linked.fill("#plan-ttft", "soon");
  await linked.waitForTimeout(300);
  const refused = await linked.evaluate(() => [document.getElementById("plan-says").textContent, document.getElementById("plan-ttft").getAttribute("aria-invalid"), location.hash]);
  const narrow = await open(job.page, { width: 400, height: 860 });
  await narrow.emulateMedia({ colorScheme: "dark" });
  let faults = null;
  if (job.axe) {
    faults = [];
    for (const looked of [dropped, narrow]) {
      await looked.addScriptTag({ content: readFileSync(job.axe, "utf-8") });
      const report = await looked.evaluate(() => axe.run());
      faults.push(...report.violations.filter((fault) => ["serious", "critical"].includes(fault.impact)).map((fault) => `${fault.id}: ${fault.nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")}`));
    }
  }
  const overflow = await narrow.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await browser.close();
  console.log(JSON.stringify({ answers, restored, said, cut, bill, ofPages, served, redraws, plan, replanned, moved, replans, mixed, refused, keyed, paint, faults, overflow, errors }));
})().catch((error) => { console.error(error); process.exit(1); });
