// Drives VS Code. Arguments: its address, the folder for screenshots.
"use strict";
const assert = require("node:assert/strict");
const path = require("node:path");
const { chromium } = require("playwright-core");

const [address, pictures] = process.argv.slice(2);
const options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];

async function command(page, name) {
  await page.keyboard.press("F1");
  await page.locator(".quick-input-widget input").fill(">" + name);
  await page.locator(".quick-input-list .monaco-list-row", { hasText: name }).first().click();
}

// The call stack as it is shown.
async function stack(page, first) {
  const rows = page.locator(".debug-call-stack .stack-frame");
  await rows.filter({ hasText: first }).first().waitFor({ timeout: 60_000 });
  return rows.allInnerTexts();
}

async function stop(page) {
  await command(page, "Debug: Stop");
  await page.locator(".debug-call-stack .stack-frame").first().waitFor({ state: "detached" });
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: options });
  const page = await browser.newPage({ viewport: { width: 1400, height: 860 } });
  const picture = (name) => page.screenshot({ path: path.join(pictures, `${name}.png`) });
  try {
    await page.goto(address);
    const file = page.locator(".explorer-folders-view .monaco-list-row", { hasText: "sum.coredump" });
    await file.waitFor({ timeout: 120_000 });

    // From the menu of the explorer. Sources are not mapped then; the stack is there.
    await file.click({ button: "right" });
    await page.locator(".monaco-menu .action-label", { hasText: "Open core dump" }).click();
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
    await page.locator(".debug-call-stack .stack-frame", { hasText: "sum" }).nth(0).click();

    // A variable opens to what its pointer leads to.
    const variable = (text) => page.locator(".debug-variables .monaco-list-row", { hasText: text }).first();
    await variable("node").waitFor();
    await variable("node").locator(".monaco-tl-twistie").click();
    await variable("*").locator(".monaco-tl-twistie").click();
    await variable("value = 30").or(variable("value: 30")).or(variable("30")).waitFor();
    const shown = await page.locator(".debug-variables .monaco-list-row").allInnerTexts();
    assert.ok(shown.some((row) => /depth\s*[:=]\s*3/.test(row)), shown.join("\n"));

    // Hover gives a value.
    await page.locator(".view-line span", { hasText: /^depth$/ }).or(page.locator(".view-line span", { hasText: "depth" })).first().hover();
    await page.locator(".debug-hover-widget .value, .debug-hover-widget").first().waitFor({ timeout: 20_000 });
    console.log("hover:", (await page.locator(".debug-hover-widget").innerText()).trim());
    await picture("session");

    // The console evaluates expressions, and shows memory.
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
