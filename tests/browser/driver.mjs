// Opens the page in Chromium and does with it what a line of JSON on stdin says; answers by id.
// Whatever waits, waits for something to appear; `timeout` is only how long before it gives up.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [, , executablePath, timeout] = process.argv;

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const pages = new Map();
const complaints = [];

// In the page: the editor's text once it holds these pieces, without the names at the cursors of
// others, which are part of its DOM.
const readWhenThere = ({ pieces, timeout }) =>
  new Promise((resolve, reject) => {
    const read = () =>
      [...document.querySelectorAll(".cm-line")]
        .map((line) => {
          const copy = line.cloneNode(true);
          copy.querySelectorAll(".caret, .cm-placeholder").forEach((part) => part.remove());
          return copy.textContent;
        })
        .join("\n");
    const look = () => {
      const text = read();
      if (!pieces.every((piece) => text.includes(piece))) return;
      observer.disconnect();
      resolve(text);
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    setTimeout(() => reject(new Error(`the editor holds ${JSON.stringify(read())}`)), timeout);
    look();
  });

const requests = {
  async open({ page: name, url, wide = 1180, dark = false }) {
    // A context of its own: cookies, storage and broadcast channels are shared with no other page.
    const context = await browser.newContext({
      viewport: { width: wide, height: 760 },
      colorScheme: dark ? "dark" : "light",
    });
    context.setDefaultTimeout(Number(timeout));
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(`${name}: ${error.stack}`));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) complaints.push(message.text());
    });
    pages.set(name, page);
    await page.goto(url);
  },
  async goTo({ page, url }) {
    await pages.get(page).goto(url);
  },
  async type({ page, text, at }) {
    const editor = pages.get(page).locator(".cm-content[contenteditable=true]");
    await editor.focus();
    if (at !== undefined) await pages.get(page).keyboard.press(`Control+${at}`);
    await pages.get(page).keyboard.type(text, { delay: 5 });
  },
  async press({ page, selector, keys }) {
    await pages.get(page).locator(selector).focus();
    for (const key of keys) await pages.get(page).keyboard.press(key);
  },
  async fill({ page, selector, text }) {
    await pages.get(page).locator(selector).fill(text);
  },
  async click({ page, selector, text }) {
    await pages.get(page).locator(selector, { hasText: text }).click();
  },
  /** Waits until something with this text can be seen, and returns all that it says. */
  async see({ page, selector, text = "" }) {
    const found = pages.get(page).locator(selector, { hasText: text }).filter({ visible: true });
    await found.first().waitFor();
    return await found.first().textContent();
  },
  async unsee({ page, selector, text = "" }) {
    const found = pages.get(page).locator(selector, { hasText: text }).filter({ visible: true });
    await found.first().waitFor({ state: "hidden" });
  },
  /** Waits until the editor holds these pieces, and returns its text. */
  async read({ page, pieces }) {
    return await pages.get(page).evaluate(readWhenThere, { pieces, timeout: Number(timeout) });
  },
  async screenshot({ page, path }) {
    await pages.get(page).screenshot({ path });
  },
  async complaints() {
    return complaints;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, request, ...details } = JSON.parse(line);
  // Not awaited: pages act at the same time.
  requests[request](details).then(
    (result = null) => console.log(JSON.stringify({ id, result })),
    (error) => console.log(JSON.stringify({ id, error: error.message })),
  );
}
await browser.close();
