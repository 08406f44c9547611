// The keyboard. Single letters work unless the reader is typing; all of them have a button or a link besides.

import { h } from "./dom.js";
import { open } from "./dialog.js";
import { BASE } from "./route.js";

const KEYS = [
  ["/", "search"],
  ["j, k", "next and previous row"],
  ["Enter", "open the row"],
  ["x", "select the row"],
  ["g, e, m, s", "groups, expected, metrics, status"],
  ["Esc", "leave the search, close a dialog"],
  ["?", "this list"],
];

/** Shows which keys there are, and what the bars of a group mean. */
export const help = () => open({
  title: "Help",
  focus: "button",
  content: [
    h("dl", { class: "keys" }, KEYS.map(([key, what]) => [
      h("dt", {}, key.split(", ").map((one) => h("kbd", {}, one))), h("dd", {}, what)])),
    h("h3", {}, "The last pushes of a group"),
    h("p", { class: "legend" },
      h("span", { class: "ok" }, "stored; height: time the job took, or size of the push"), h("span", { class: "refused" }, "refused, below the line"),
      h("span", { class: "missed" }, "late: did not come")),
    h("p", {}, "Refused: the last push was refused. Overdue: it was expected and did not come. Late: it does not come as it used to. Expiring: the group expires within an hour."),
    h("p", {}, h("a", { href: new URL("api/v1/openapi.json", BASE) }, "The API, for machines")),
    h("p", { class: "buttons" }, h("button", { type: "submit" }, "Close")),
  ],
});

const move = (step) => {
  const rows = [...document.querySelectorAll("tr[data-row]")];
  const at = rows.indexOf(document.activeElement?.closest("tr[data-row]"));
  const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
};

const isTyping = (element) => element.matches?.("input:not([type=checkbox]), textarea, select");

/** Listens to the keys. `goTo` changes to a view. */
export const start = (goTo) => {
  const row = () => document.activeElement?.closest("tr[data-row]");
  const actions = {
    "/": () => document.querySelector("input[type=search]")?.select(),
    "?": help,
    j: () => move(1),
    k: () => move(-1),
    x: () => row()?.querySelector("input[type=checkbox]")?.click(),
    g: () => goTo("groups"),
    e: () => document.querySelector("nav a[data-view=expected]:not([hidden])")?.click(),
    m: () => goTo("metrics"),
    s: () => goTo("status"),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog")) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "Enter" && event.target.matches?.("tr[data-row]")) event.target.querySelector("a[data-view]")?.click();
    else if (Object.hasOwn(actions, event.key)) {
      event.preventDefault();
      actions[event.key]();
    }
  });
};
