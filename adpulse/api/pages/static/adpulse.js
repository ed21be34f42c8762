// Submits forms without a page load, refreshes regions, and counts the seconds of a running sync. Without it the pages work with page loads.

const BUSY_REFRESH_MS = 2000, IDLE_REFRESH_MS = 10000;
const statusMessage = document.getElementById("said");
let timer;

function showMessage(text) {
  statusMessage.textContent = text;
  statusMessage.classList.toggle("shown", Boolean(text));
}

// Replaces a region piece by piece. Unchanged pieces, open details and focused controls stay as they are.
function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const pieces = (node) => [...node.children];
  const keyed = pieces(fresh).length > 0 && pieces(fresh).every((piece) => piece.id || piece.matches("thead, tbody"));
  if (!keyed) {
    if (old.querySelector("details[open]")) return;
    if (!old.contains(document.activeElement) || !document.activeElement.matches("select, input")) old.replaceWith(fresh);
    return;
  }
  const existing = new Map(pieces(old).map((piece) => [piece.id || piece.localName, piece]));
  for (const piece of pieces(fresh)) {
    const name = piece.id || piece.localName, present = existing.get(name);
    existing.delete(name);
    if (present) {
      old.append(present);
      merge(present, piece);
    } else {
      old.append(piece);
    }
  }
  for (const removed of existing.values()) removed.remove();
}

async function refresh() {
  clearTimeout(timer);
  const region = document.querySelector("[data-refresh]");
  if (!region || document.hidden) return;
  let wait = IDLE_REFRESH_MS;
  try {
    const answer = await fetch(region.dataset.refresh, { headers: { Accept: "text/html" } });
    if (answer.redirected) return location.reload();
    if (answer.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-refresh]");
      const focused = document.activeElement?.id;
      if (fresh) merge(region, fresh);
      if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus();
      if (answer.headers.get("Adpulse-Busy") === "1") wait = BUSY_REFRESH_MS;
      document.body.classList.remove("away");
    }
  } catch {
    document.body.classList.add("away");
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, wait);
}

async function send(form) {
  const buttons = [...form.querySelectorAll("button")];
  const body = new URLSearchParams(new FormData(form));
  buttons.forEach((button) => { button.disabled = true; });
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
  buttons.forEach((button) => { button.disabled = false; });
  document.activeElement?.matches("select") && document.activeElement.blur();
  await refresh();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-quiet]")) return;
  event.preventDefault();
  send(event.target);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

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

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

setInterval(() => {
  for (const counter of document.querySelectorAll("[data-elapsed]")) {
    counter.began ??= Date.now() - 1000 * Number(counter.dataset.elapsed);
    counter.textContent = `${Math.floor((Date.now() - counter.began) / 1000)} s`;
  }
}, 1000);

timer = setTimeout(refresh, BUSY_REFRESH_MS);
