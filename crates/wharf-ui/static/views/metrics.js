// Metric families across groups: what there is, who pushes it, and where groups contradict each other.

import { get } from "../api.js";
import { announce, cell, h, heading, row, show, table } from "../dom.js";
import { bytes, count, plural, visible } from "../format.js";
import { group as title, plain } from "../labels.js";
import { title as documentTitle } from "../problems.js";
import { go, href } from "../route.js";
import { ago } from "../time.js";

const PAGE = 100;
const TYPING_MS = 60;

export const open = (main) => {
  let parameters = {};
  let typing;
  const search = h("input", {
    type: "search", id: "search", spellcheck: "false", autocomplete: "off", placeholder: "Search names and help texts",
    oninput: () => {
      clearTimeout(typing);
      typing = setTimeout(() => go("metrics", { q: search.value }, { replacing: true }), TYPING_MS);
    },
    onkeydown: (event) => event.key === "Enter" && document.querySelector("tr[data-row]")?.focus(),
  });
  const total = h("span", { class: "total" });
  const list = h("div", { class: "list" });
  const pager = h("nav", { class: "pager", "aria-label": "Pages" });
  main.append(h("h1", { class: "unseen" }, "Metrics"),
    h("div", { class: "toolbar" },
      h("label", { class: "search", for: "search" }, h("span", { class: "unseen" }, "Search metric families"), search, h("kbd", { "aria-hidden": "true" }, "/")), total),
    list, pager);

  const conflicts = (family) => [
    family.helps.length > 0 && h("details", {},
      h("summary", {}, h("span", { class: "stale" }, `${family.helps.length} help texts`)),
      h("ul", {}, family.helps.map((one) => h("li", {}, one.help ? `“${visible(one.help)}”` : "(none)", h("span", { class: "faint" }, ` ${plural(one.groups, "group")}`))))),
    family.refused > 0 && h("details", {},
      h("summary", {}, h("span", { class: "failed" }, `${count(family.refused)} refused`)),
      family.last_refused && h("p", {}, family.last_refused.labels && [title(family.last_refused.labels), " "], ago(family.last_refused.time_seconds),
        h("span", { class: "why" }, family.last_refused.error))),
    family.helps.length === 0 && family.refused === 0 && h("span", { class: "faint" }, "no conflicts"),
  ];

  const line = (family) => row({ tabindex: 0, data: { row: family.name } },
    cell({ class: "family-name" },
      h("div", {}, h("strong", {}, visible(family.name)), h("span", { class: "type" }, family.type)),
      family.help && h("p", { class: "help" }, visible(family.help))),
    cell({ class: "number groups" }, count(family.groups)),
    cell({ class: "number series" }, count(family.series)),
    cell({ class: "number bytes" }, bytes(family.bytes)),
    cell({ class: "pushers" },
      family.sample_groups.map(({ labels, path }) =>
        h("a", { href: href("group", { group: path }), data: { view: "group" }, title: plain(labels) }, title(labels))),
      family.groups > family.sample_groups.length && h("span", { class: "faint" }, `and ${count(family.groups - family.sample_groups.length)} more`)),
    cell({ class: "conflicts" }, conflicts(family)));

  return async (now, signal) => {
    parameters = now;
    if (document.activeElement !== search) search.value = parameters.q ?? "";
    documentTitle("Metrics · Wharf");
    const page = await get("families", { q: parameters.q, cursor: parameters.after, limit: PAGE }, signal);
    const found = page.total === undefined ? "" : plural(page.total, "family", "families");
    if (total.textContent !== found) {
      total.textContent = found;
      announce(found);
    }
    const unfolded = new Set([...list.querySelectorAll("tr:has(details[open])")].map((one) => one.dataset.row));
    const focused = document.activeElement?.closest?.("tr[data-row]")?.dataset.row;
    show(list, [page.families, parameters.q], () => table({
      label: "Metric families", className: "families", empty: parameters.q ? "No family matches." : "Nothing has been pushed yet.",
      head: [heading({}, "Family"), heading({ class: "number groups" }, "Groups"), heading({ class: "number series" }, "Series"),
        heading({ class: "number bytes" }, "Bytes"), heading({}, "Pushed by"), heading({}, "Conflicts")],
      rows: page.families.map(line),
    }));
    for (const one of list.querySelectorAll("tr[data-row]")) {
      if (unfolded.has(one.dataset.row)) one.querySelectorAll("details").forEach((details) => { details.open = true; });
      if (one.dataset.row === focused) one.focus({ preventScroll: true });
    }
    const turn = (after) => {
      go("metrics", { ...parameters, after });
      scrollTo(0, 0);
    };
    show(pager, [parameters.after, page.next_cursor], () => (parameters.after || page.next_cursor) && [
      h("button", { type: "button", disabled: !parameters.after, onclick: () => turn(undefined) }, "First"),
      h("button", { type: "button", disabled: !page.next_cursor, onclick: () => turn(page.next_cursor) }, "Next"),
    ]);
  };
};
