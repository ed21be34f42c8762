// Submits forms without a page load, refreshes regions, counts the seconds of a running sync, and writes numbers and times for the reader.
// Without it the pages work with page loads.

const BUSY_REFRESH_MS = 2000, IDLE_REFRESH_MS = 10000;
const statusMessage = document.getElementById("said");
const sentForms = new Set();  // Their controls take what the server says now, even if that is not what was chosen.
let timer, latest;

function showMessage(text) {
  statusMessage.textContent = text;
  statusMessage.classList.toggle("shown", Boolean(text));
}

const moments = {
  minute: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }),
  second: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }),
};
const formats = new Map();

function numberFormat({ digits, percent, signed }) {
  const key = `${digits} ${percent} ${signed}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.NumberFormat(undefined, {
      style: percent === undefined ? "decimal" : "percent",
      signDisplay: signed === undefined ? "auto" : "always",
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    }));
  }
  return formats.get(key);
}

// Writes instants in the reader's time zone and numbers in the reader's locale; without it they are as the server wrote them. A page is
// localised once: when it was loaded, or before what was fetched is merged into it, so that a refresh never shows the other form.
export function localise(page) {
  for (const number of page.querySelectorAll("data[data-digits]")) number.textContent = numberFormat(number.dataset).format(number.value);
  for (const time of page.querySelectorAll("time[datetime]")) {
    const text = moments[time.dataset.at ?? "minute"].format(new Date(time.dateTime));
    if (time.dataset.at) time.textContent = text;
    else time.title = `${text} · ${time.title}`;
  }
}

// A name that a node keeps over refreshes: its id, the address it leads to, or its place among its like.
function keyed(parent) {
  const seen = new Map(), nodes = new Map();
  for (const node of parent.childNodes) {
    const name = node.id || node.getAttribute?.("action") || node.getAttribute?.("href") || node.nodeName;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    nodes.set(`${name} ${seen.get(name)}`, node);
  }
  return nodes;
}

// Whether a person is at this node: the focus is in it and its form was not just sent, marked text begins or ends in it, or something
// in it is ticked for a change of many, so that a row does not leave the list with its tick.
function isHeld(node) {
  const marked = getSelection(), focused = document.activeElement;
  const places = marked.isCollapsed ? [] : [marked.anchorNode, marked.focusNode];
  if (focused && focused !== document.body && !sentForms.has(focused.form)) places.push(focused);
  return places.some((place) => node.contains(place)) || Boolean(node.querySelector?.("[form=bulk]:checked"));
}

// Whether a person changed this control, or is at it: an open list closes when its options change.
function isInUse(control) {
  if (sentForms.has(control.form)) return false;
  if (control === document.activeElement) return true;
  if (control.matches("select")) return control.selectedIndex !== Math.max(0, [...control.options].findIndex((option) => option.defaultSelected));
  return control.value !== control.defaultValue || control.checked !== control.defaultChecked;
}

function mergeAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

// Makes a node's children those of the fresh one. One that a person is at is neither moved nor removed: the others move around it.
function mergeChildren(old, fresh) {
  const present = keyed(old), wanted = keyed(fresh);
  for (const [key, node] of present) if (!wanted.has(key) && !isHeld(node)) node.remove();
  let next = old.firstChild;
  for (const [key, piece] of wanted) {
    const node = present.get(key) ?? piece;
    const stays = node !== next && node !== piece && isHeld(node);
    const isPassed = stays && (!next || node.compareDocumentPosition(next) & Node.DOCUMENT_POSITION_FOLLOWING);
    for (let passed = next; stays && !isPassed && passed !== node; passed = next) {
      next = passed.nextSibling;
      if (!isHeld(passed)) passed.remove();
    }
    if (!stays && node !== next) old.insertBefore(node, next);
    if (!isPassed) next = node.nextSibling;
    if (node !== piece) merge(node, piece);
  }
}

// Patches a node in place, so that focus, marked text, open lists and details, what was typed and the scrolled place stay.
function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) return isHeld(old) || (old.data = fresh.data);
  const isControl = old.matches("input, select, textarea");
  if (isControl && isInUse(old)) return;
  mergeAttributes(old, fresh);
  mergeChildren(old, fresh);
  if (isControl) [old.value, old.checked] = [fresh.value, fresh.checked];
}

async function refresh() {
  clearTimeout(timer);
  const region = document.querySelector("[data-refresh]");
  if (!region || document.hidden) return;
  const mine = latest = Symbol("refresh");
  let wait = IDLE_REFRESH_MS;
  try {
    const answer = await fetch(region.dataset.refresh, { headers: { Accept: "text/html" } });
    if (answer.redirected) return location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== latest) return;  // A newer one is on its way.
    localise(page);
    if (answer.ok) {
      sentForms.forEach((form) => form.reset());
      merge(region, page.querySelector("[data-refresh]") ?? region);
      sentForms.clear();
      if (answer.headers.get("Adpulse-Busy") === "1") wait = BUSY_REFRESH_MS;
      document.body.classList.remove("away");
    }
  } catch {
    document.body.classList.add("away");
  }
  if (mine === latest) timer = setTimeout(refresh, wait);
}

async function send(form) {
  const buttons = [...form.querySelectorAll("button")], place = form.parentElement;
  const body = new URLSearchParams(new FormData(form));
  buttons.forEach((button) => { button.ariaDisabled = "true"; });
  showMessage("");
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
    if (new URL(answer.url).pathname.endsWith("/login")) return location.reload();
    if (!answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      showMessage(page.querySelector("[data-said]")?.textContent ?? `It failed (${answer.status}).`);
    }
  } catch {
    showMessage("adpulse does not answer. Nothing is known to have changed; try again.");
  }
  buttons.forEach((button) => { button.ariaDisabled = null; });
  const focused = form.contains(document.activeElement) && document.activeElement;
  sentForms.add(form);
  await refresh();
  if (focused && document.activeElement === document.body) (focused.isConnected ? focused : place.querySelector("button, a"))?.focus();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-quiet]")) return;
  event.preventDefault();
  if (!event.target.querySelector("button[aria-disabled=true]")) send(event.target);
});

document.addEventListener("change", ({ target }) => { if (target.matches("[data-submit]")) target.form.requestSubmit(); });

for (const table of document.querySelectorAll("[data-choices]")) {
  const all = table.querySelector("[data-all]"), boxes = [...table.querySelectorAll("tbody [name=account]")];
  all.hidden = boxes.length < 2;
  all.addEventListener("change", () => { for (const box of table.querySelectorAll("tbody input")) box.checked = all.checked; });
  for (const manager of table.querySelectorAll("[data-under]")) {
    const clients = boxes.filter((box) => box.dataset.manager === manager.dataset.under);
    manager.hidden = clients.length === 0;
    manager.addEventListener("change", () => { for (const box of clients) box.checked = manager.checked; });
  }
}

const bulk = document.getElementById("bulk");
if (bulk) {
  const all = bulk.querySelector("[data-tick-all]"), boxes = () => [...document.querySelectorAll("tbody [form=bulk]")];
  const countTicked = () => {
    const ticked = boxes().filter((box) => box.checked).length;
    bulk.querySelector("[data-ticked]").textContent = ticked ? `${ticked} ticked` : "";
    all.checked = ticked > 0 && ticked === boxes().length;
  };
  all.parentElement.hidden = false;
  document.addEventListener("change", ({ target }) => {
    if (target === all) boxes().forEach((box) => { box.checked = all.checked; });
    if (target === all || target.matches("tbody [form=bulk]")) bulk.elements.which.value = "ticked";
    countTicked();
  });
  addEventListener("pageshow", countTicked);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

setInterval(() => {
  for (const counter of document.querySelectorAll("[data-elapsed]")) {
    if (counter.seen !== counter.dataset.elapsed) counter.began = Date.now() - 1000 * Number(counter.seen = counter.dataset.elapsed);
    if (!isHeld(counter)) counter.firstChild.data = `${Math.floor((Date.now() - counter.began) / 1000)} s`;
  }
}, 1000);

localise(document);
timer = setTimeout(refresh, BUSY_REFRESH_MS);
