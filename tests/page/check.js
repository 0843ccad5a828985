// Drives the pages that `check` made. Arguments: the folder of the pages, a folder for screenshots or nothing.
"use strict";
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [folder, pictures] = process.argv.slice(2);
const pages = fs.readdirSync(folder).filter((name) => name.endsWith(".html"));

async function open(browser, name, options = {}) {
  // The page's own policy forbids axe, too.
  const context = await browser.newContext({ bypassCSP: options.bypassCSP ?? true, ...options });
  const page = await context.newPage();
  const loaded = [], complaints = [];
  page.on("request", (request) => loaded.push(request.url()));
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto("file://" + path.join(folder, name));
  return { page, loaded, complaints, close: () => context.close() };
}

async function accessible(browser) {
  for (const name of pages) {
    for (const [width, colorScheme] of [[1400, "light"], [360, "dark"]]) {
      const { page, close } = await open(browser, name, { viewport: { width, height: 900 }, colorScheme });
      // What is not rendered has no place, by which axe would judge colours.
      await page.addStyleTag({ content: ".report { content-visibility: visible !important; }" });
      await page.evaluate(axe);
      for (const all of [false, true]) {
        if (all) await page.evaluate(() => document.querySelectorAll("details").forEach((one, index) => { one.open = index < 400; }));
        const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
        const told = violations.map((one) => `${one.id} (${one.impact}): ${one.nodes.slice(0, 3).map((node) => node.html + " " + node.failureSummary).join("\n")}`);
        assert.deepEqual(told, [], `${name}, ${width} pixels, ${colorScheme}, ${all ? "opened" : "as it is"}`);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(wider <= 0, `${name} is ${wider} pixels wider than the window of ${width}`);
      }
      if (pictures) {
        await page.reload();
        await page.screenshot({ path: path.join(pictures, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      }
      await close();
    }
  }
}

async function quiet(browser) {
  for (const name of pages) {
    const { loaded, complaints, close } = await open(browser, name, { bypassCSP: false });
    assert.equal(loaded.length, 1, `${name} loads nothing: ${loaded}`);
    assert.deepEqual(complaints, [], name);
    await close();
  }
}

async function usable(browser) {
  const { page, close } = await open(browser, "sum-O0.html");
  const shown = () => page.locator(".f:visible").count();
  const all = await shown();
  assert.ok(all >= 9, `${all} frames`);
  await page.keyboard.press("/");
  await page.keyboard.type("share");
  await page.waitForFunction(() => document.getElementById("found").textContent !== "");
  const found = await shown();
  assert.ok(found >= 1 && found < all, `${found} of ${all} frames`);
  await page.keyboard.press("Escape");
  assert.equal(await shown(), all);
  // A value that only an opened variable shows.
  await page.fill("#search", "weighted mean");
  await page.waitForFunction(() => document.getElementById("found").textContent !== "");
  assert.ok(await page.locator(".v:visible", { hasText: "weighted mean" }).count() > 0);
  await page.fill("#search", "");
  await page.waitForFunction(() => document.getElementById("found").textContent === "");
  await page.locator("#search").blur();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  const focused = await page.evaluate(() => document.activeElement.textContent);
  assert.match(focused, /^#|frame/, focused);
  await page.keyboard.press("e");
  assert.equal(await page.locator("details.f:not([open])").count(), 0);
  await page.keyboard.press("c");
  assert.equal(await page.locator("details.f[open]").count(), 0);
  // A link opens its frame, also when it was followed before and the frame was closed since. The browser tells the page of a new
  // address only after the click.
  const opens = async (click) => {
    await page.locator(".where a").click();
    await page.waitForFunction(() => document.querySelector("details.f[open]")).catch(() => assert.fail(`the ${click} click opens no frame`));
    assert.equal(await page.locator("details.f[open]").count(), 1);
  };
  await opens("first");
  await page.keyboard.press("c");
  assert.equal(await page.locator("details.f[open]").count(), 0);
  await opens("second");
  const own = await shown();
  await page.locator("#own").click();
  assert.ok(await shown() < own, "start-up code is hidden");
  await close();
}

async function complete_without_scripts(browser) {
  const { page, close } = await open(browser, "sum-O0.html", { javaScriptEnabled: false });
  assert.ok(await page.locator(".f:visible").count() >= 9);
  assert.ok(!(await page.locator("#tools").isVisible()));
  const row = page.locator("details.f", { hasText: "share" }).first();
  await row.locator("> summary").click();
  assert.ok(await row.locator(".v").first().isVisible());
  await close();
}

async function prints(browser) {
  const { page, close } = await open(browser, "sum-O0.html");
  await page.emulateMedia({ media: "print" });
  assert.ok(!(await page.locator("#tools").isVisible()));
  const pdf = await page.pdf({ path: pictures ? path.join(pictures, "sum-O0.pdf") : undefined, format: "A4" });
  assert.ok(pdf.length > 10_000);
  await close();
}

(async () => {
  const options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: options });
  try {
    for (const check of [quiet, usable, complete_without_scripts, prints, accessible]) {
      await check(browser);
      console.log(`${check.name}: ok`);
    }
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
