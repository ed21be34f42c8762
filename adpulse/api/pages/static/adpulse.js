// Forms that stay on the page, regions that refresh themselves, and seconds that count. Everything works without it, with page loads.

const SOON = 2000, LATER = 10000;
const said = document.getElementById("said");
let timer;

function tell(text) {
  said.textContent = text;
  said.classList.toggle("shown", Boolean(text));
}

// A region is replaced piece by piece: what did not change stays, and so does what somebody has open.
function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const pieces = (node) => [...node.children];
  const keyed = pieces(fresh).length > 0 && pieces(fresh).every((piece) => piece.id || piece.matches("thead, tbody"));
  if (!keyed) {
    if (old.querySelector("details[open]")) return;
    if (!old.contains(document.activeElement) || !document.activeElement.matches("select, input")) old.replaceWith(fresh);
    return;
  }
  const known = new Map(pieces(old).map((piece) => [piece.id || piece.localName, piece]));
  for (const piece of pieces(fresh)) {
    const name = piece.id || piece.localName, present = known.get(name);
    known.delete(name);
    if (present) {
      old.append(present);
      merge(present, piece);
    } else {
      old.append(piece);
    }
  }
  for (const gone of known.values()) gone.remove();
}

async function refresh() {
  clearTimeout(timer);
  const region = document.querySelector("[data-refresh]");
  if (!region || document.hidden) return;
  let wait = LATER;
  try {
    const answer = await fetch(region.dataset.refresh, { headers: { Accept: "text/html" } });
    if (answer.redirected) return location.reload();
    if (answer.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-refresh]");
      const focused = document.activeElement?.id;
      if (fresh) merge(region, fresh);
      if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus();
      if (answer.headers.get("Adpulse-Busy") === "1") wait = SOON;
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
  tell("");
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
    if (new URL(answer.url).pathname.endsWith("/login")) return location.reload();
    if (!answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      tell(page.querySelector("[data-said]")?.textContent ?? `It failed (${answer.status}).`);
    }
  } catch {
    tell("adpulse does not answer. Nothing is known to have changed; try again.");
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
  all.addEventListener("change", () => { for (const each of table.querySelectorAll("tbody input")) each.checked = all.checked; });
  for (const whole of table.querySelectorAll("[data-under]")) {
    const clients = boxes.filter((each) => each.dataset.manager === whole.dataset.under);
    whole.hidden = clients.length === 0;
    whole.addEventListener("change", () => { for (const each of clients) each.checked = whole.checked; });
  }
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

setInterval(() => {
  for (const each of document.querySelectorAll("[data-elapsed]")) {
    each.began ??= Date.now() - 1000 * Number(each.dataset.elapsed);
    each.textContent = `${Math.floor((Date.now() - each.began) / 1000)} s`;
  }
}, 1000);

timer = setTimeout(refresh, SOON);
