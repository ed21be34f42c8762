// Writes instants in the reader's time zone and numbers in the reader's locale. Without it they are as the server wrote them: instants in
// the account's zone, numbers as in English. The account's time stays in the title.

const moments = {
  minute: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }),
  second: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }),
};
const numbers = new Map();

function numberFormat({ digits, percent, signed }) {
  const key = `${digits} ${percent} ${signed}`;
  if (!numbers.has(key)) {
    numbers.set(key, new Intl.NumberFormat(undefined, {
      style: percent === undefined ? "decimal" : "percent",
      signDisplay: signed === undefined ? "auto" : "always",
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    }));
  }
  return numbers.get(key);
}

// A page is localised once: when it was loaded, or before what was fetched is merged into it, so that a refresh never shows the other form.
export function localise(page) {
  for (const number of page.querySelectorAll("data[data-digits]")) number.textContent = numberFormat(number.dataset).format(number.value);
  for (const time of page.querySelectorAll("time[datetime]")) {
    const text = moments[time.dataset.at ?? "minute"].format(new Date(time.dateTime));
    if (time.dataset.at) time.textContent = text;
    else time.title = `${text} · ${time.title}`;
  }
}
