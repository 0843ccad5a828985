// Drives VS Code. Arguments: its address, the folder for screenshots.
"use strict";
const assert = require("node:assert/strict");
const path = require("node:path");
const { chromium } = require("playwright-core");

const [address, pictures] = process.argv.slice(2);
const options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];

// Whatever takes the focus closes the palette, so it is opened until it stays.
async function command(page, name) {
  for (let tries = 0; ; tries += 1) {
    try {
      await page.keyboard.press("F1");
      await page.locator(".quick-input-widget input").fill(">" + name, { timeout: 2000 });
      return await page.locator(".quick-input-list .monaco-list-row", { hasText: name }).first().click({ timeout: 4000 });
    } catch (error) {
      if (tries === 5) throw error;
      await page.keyboard.press("Escape");
      await page.waitForTimeout(500);
    }
  }
}

// The call stack as it is shown.
async function stack(page, first) {
  await page.locator(".debug-toolbar").waitFor({ timeout: 60_000 });
  await command(page, "View: Show Run and Debug");
  const rows = page.locator(".debug-call-stack .stack-frame");
  await rows.filter({ hasText: first }).first().waitFor({ timeout: 60_000 });
  await rows.nth(5).waitFor();
  return rows.allInnerTexts();
}

async function stop(page) {
  await page.keyboard.press("Shift+F5");
  await page.locator(".debug-toolbar").waitFor({ state: "hidden" });
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: options });
  const page = await browser.newPage({ viewport: { width: 1400, height: 860 } });
  const picture = (name) => page.screenshot({ path: path.join(pictures, `${name}.png`) });
  try {
    await page.goto(address);
    const file = page.locator(".explorer-folders-view .monaco-list-row", { hasText: "sum.coredump" });
    await file.waitFor({ timeout: 120_000 });

    // From the menu of the explorer, which has the entry as soon as extensions are there.
    const entry = page.locator(".monaco-menu .action-label", { hasText: "Open core dump" });
    for (let tries = 0; tries < 30 && !(await entry.isVisible()); tries += 1) {
      await page.keyboard.press("Escape");
      await page.waitForTimeout(1500);
      await file.click({ button: "right" });
      await page.waitForTimeout(500);
    }
    await entry.click();
    console.log("explorer:", (await stack(page, "divide")).slice(0, 3));
    await picture("explorer");
    await stop(page);

    // As a file.
    await command(page, "View: Show Explorer");
    await file.dblclick();
    console.log("file:", (await stack(page, "divide")).slice(0, 3));
    assert.equal(await page.locator(".tab", { hasText: "sum.coredump" }).count(), 0, "its editor closes");
    await stop(page);

    // By launch.json, with sources.
    await command(page, "View: Show Run and Debug");
    await page.locator(".start-debug-action-item .codicon-debug-start").click();
    const frames = await stack(page, "divide");
    assert.match(frames[0], /divide[\s\S]*sum\.c[\s\S]*25:/);
    assert.match(frames[2], /sum/);
    await page.locator(".debug-top-stack-frame-column, .debug-top-stack-frame-line").first().waitFor();
    await page.locator(".debug-call-stack .stack-frame").nth(2).click();

    // A variable opens to what its pointer leads to.
    const variable = (text) => page.locator(".debug-variables .monaco-list-row", { hasText: text }).first();
    await variable("node").waitFor();
    await variable("node").locator(".monaco-tl-twistie").click();
    await variable("{value = 30").locator(".monaco-tl-twistie").click();
    await variable("weight").waitFor();
    await page.waitForTimeout(1000);
    const shown = await page.locator(".debug-variables .monaco-list-row").allInnerTexts();
    for (const row of [/^value\s*=\s*30$/, /^weight\s*=\s*0$/, /^depth\s*=\s*3$/]) {
      assert.ok(shown.some((text) => row.test(text.trim())), shown.join("\n"));
    }

    // Hover gives a value.
    const word = page.locator(".view-line", { hasText: "int before" }).locator("span span", { hasText: "before" }).last();
    const box = await word.boundingBox();
    await page.mouse.move(box.x + box.width - 50, box.y + box.height / 2);
    await word.hover();
    const hover = page.locator(".debug-hover-widget");
    await hover.waitFor({ timeout: 20_000 });
    assert.equal((await hover.innerText()).trim(), "30");
    await picture("session");

    // The console evaluates expressions.
    await command(page, "Debug Console: Focus on Debug Console View");
    await page.keyboard.type("node->value");
    await page.keyboard.press("Enter");
    await page.locator(".repl .output.expression, .repl .evaluation-result, .repl-tree .monaco-list-row", { hasText: "30" }).first().waitFor();
    await picture("console");
    await stop(page);
    console.log("done");
  } catch (error) {
    await picture("failure");
    throw error;
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
