"use strict";
(() => {
  // Without this script the page is complete; it only opens, closes and filters.
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const search = byId("search"), found = byId("found");
  byId("tools").hidden = byId("keys").hidden = false;

  const pieces = all(".piece pre").map((pre) => ({ pre, text: pre.textContent }));
  const texts = new WeakMap();
  const text = (element) => {
    if (!texts.has(element)) texts.set(element, element.textContent.toLowerCase());
    return texts.get(element);
  };

  // What was opened to show a match is closed again when the search ends.
  let opened = [];
  const open = (element) => {
    for (let one = element; one; one = one.parentElement?.closest("details")) {
      if (!one.open) { one.open = true; opened.push(one); }
    }
  };

  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    opened.forEach((one) => { one.open = false; });
    opened = [];
    let matches = 0;
    for (const row of all(".group tbody tr")) {
      row.hidden = Boolean(wanted) && !text(row).includes(wanted);
      if (wanted && !row.hidden) matches += 1;
    }
    for (const frame of all(".f")) {
      const fits = !wanted || text(frame).includes(wanted);
      frame.hidden = !fits;
      if (!fits || !wanted) continue;
      matches += 1;
      const inHead = frame.matches("div") || text(frame.firstElementChild).includes(wanted);
      if (matches <= 200) open(inHead ? frame.parentElement.closest("details") : frame);
      if (!inHead && matches <= 50) for (const value of all("details.v, details.raw", frame)) if (text(value).includes(wanted)) open(value);
    }
    for (const { pre, text: whole } of pieces) {
      const lines = wanted ? whole.split("\n").filter((line) => line.toLowerCase().includes(wanted)) : [whole];
      pre.textContent = lines.join("\n");
      const piece = pre.parentElement;
      piece.hidden = Boolean(wanted) && lines.length === 0;
      if (wanted && lines.length) { matches += lines.length; open(piece); }
    }
    const left = ".f:not([hidden]), .piece:not([hidden]), tbody tr:not([hidden])";
    for (const box of all(".fold, .thread, .group")) box.hidden = Boolean(wanted) && !box.querySelector(left);
    found.textContent = wanted && matches.toLocaleString("en") + " found";
  };
  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });

  const setAll = (state) => {
    const frames = all("details.f").filter((frame) => !frame.hidden);
    frames.forEach((frame) => { frame.open = state; });
    if (state) all(".thread").forEach((thread) => { thread.open = true; });
  };
  const own = byId("own");
  const setOwn = () => own.setAttribute("aria-pressed", String(document.body.classList.toggle("own")));
  byId("open").addEventListener("click", () => setAll(true));
  byId("close").addEventListener("click", () => setAll(false));
  own.addEventListener("click", setOwn);
  own.hidden = !document.querySelector(".f.lib");
  byId("open").hidden = byId("close").hidden = !document.querySelector(".f");

  // The next or previous frame that can be seen.
  const step = (by) => {
    const heads = all(".f > summary, .fold > summary, .piece > summary").filter((head) => head.checkVisibility());
    const here = heads.indexOf(document.activeElement);
    const next = heads[here < 0 ? (by > 0 ? 0 : heads.length - 1) : here + by];
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  };
  const keys = { j: () => step(1), k: () => step(-1), e: () => setAll(true), c: () => setAll(false), o: setOwn, "/": () => search.focus() };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target === search) {
      if (event.key === "Escape") { search.value = ""; filter(); search.blur(); }
      return;
    }
    const action = keys[event.key];
    if (action) { event.preventDefault(); action(); }
  });

  // A link to a frame opens it.
  const follow = () => {
    const target = location.hash.length > 1 && byId(location.hash.slice(1));
    if (!target || !target.closest(".f")) return;
    for (let one = target; one; one = one.parentElement?.closest("details")) if (one.matches("details")) one.open = true;
    target.scrollIntoView({ block: "center" });
    target.querySelector("summary")?.focus({ preventScroll: true });
  };
  addEventListener("hashchange", follow);
  // A second click on the same link changes no address.
  document.addEventListener("click", (event) => {
    if (event.target.closest("a[href^='#']")?.hash === location.hash) follow();
  });
  follow();
})();
