// The groups that are expected to be pushed to, overdue first.

import { get } from "../api.js";
import { announce, cell, h, heading, replace, row, show, table } from "../dom.js";
import { clock, count, exact, plural } from "../format.js";
import { group as title } from "../labels.js";
import { PAST, how, legend, state, timeline } from "../past.js";
import { title as documentTitle } from "../problems.js";
import { current, go, href, refresh } from "../route.js";
import { ago } from "../time.js";
import { paced } from "../undo.js";

const PAGE = 50;
const STATES = [["", "All"], ["overdue", "Overdue"], ["due", "Due"], ["waiting", "Waiting"], ["paused", "Paused"]];
const TYPING_MS = 150;
// Groups become overdue while nothing else happens.
const LOOK_MS = 10_000;

const all = (totals) => Object.values(totals).reduce((sum, number) => sum + number, 0);

/** Shows `tab` while something is expected, with how much of it is overdue; what is returned looks whether that is so. */
export const watch = (tab) => {
  let known = "";
  let timer;
  const look = paced(async () => {
    const answer = await get("expectations", { totals: "true", limit: 1, state: "overdue" }).catch(() => undefined);
    clearTimeout(timer);
    // Whoever is refused this is not asked for a password again and again.
    if (!answer) return;
    timer = setTimeout(() => document.hidden || look(), LOOK_MS);
    const { totals } = answer;
    const said = JSON.stringify(totals);
    if (said === known) return;
    const isFirst = known === "";
    known = said;
    tab.hidden = all(totals) === 0;
    replace(tab, "Expected", totals.overdue > 0 && [" ", h("span", { class: "number" }, count(totals.overdue), h("span", {}, " overdue"))]);
    if (!isFirst && current().view !== "status") refresh();
  });
  return look;
};

export const open = (main) => {
  let parameters = {};
  let typing;
  let told;
  const search = h("input", {
    type: "search", id: "search", spellcheck: "false", autocomplete: "off", placeholder: 'Search job and labels, or {job=~"back.*"}',
    oninput: () => {
      clearTimeout(typing);
      typing = setTimeout(() => change({ q: search.value }, { replacing: true }), TYPING_MS);
    },
    onkeydown: (event) => event.key === "Enter" && document.querySelector("tr[data-row]")?.focus(),
  });
  const filters = h("div", { class: "filters", role: "group", "aria-label": "Filter" }, STATES.map(([word, text]) =>
    h("button", { type: "button", class: word === "overdue" ? "failed" : "", onclick: () => change({ state: word }) }, text, h("span", { class: "number" }))));
  const note = h("p", { class: "problem stale", role: "status", hidden: true });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const list = h("div", { class: "list" });
  const pager = h("nav", { class: "pager", "aria-label": "Pages" });
  main.append(h("h1", { class: "unseen" }, "Expected"),
    h("div", { class: "toolbar" },
      h("label", { class: "search", for: "search" }, h("span", { class: "unseen" }, "Search expected groups"), search, h("kbd", { "aria-hidden": "true" }, "/")),
      filters),
    note, problem, list, legend(), pager);

  const change = (changes, options) => {
    const { after, ...kept } = parameters;
    go("expected", { ...kept, ...changes }, options);
  };

  const time = (text, otherwise) => (text ? [ago(Date.parse(text) / 1000), h("small", { class: "exact" }, clock(Date.parse(text) / 1000))] : h("span", { class: "faint" }, otherwise));

  const line = (one) => row({ tabindex: 0, data: { row: one.path }, class: one.state === "overdue" ? "failed" : "" },
    cell({ class: "group" }, h("a", { href: href("group", { group: one.path }), data: { view: "group" } }, title(one.labels))),
    cell({ class: "pushes" }, timeline(one)),
    cell({ class: "when" }, state(one)),
    cell({ class: "due" }, h("span", { class: "what" }, "Due "), time(one.due, "never")),
    cell({ class: "last" }, h("span", { class: "what" }, "Last push "), time(one.last_push, "never came")),
    cell({ class: "how" }, how(one)));

  return async (now, signal) => {
    parameters = now;
    if (document.activeElement !== search) search.value = parameters.q ?? "";
    documentTitle("Expected · Wharf");
    const q = parameters.q ?? "";
    let answer;
    try {
      answer = await get("expectations", {
        ...(q.trim().startsWith("{") ? { "match[]": q } : { q }), state: parameters.state, sort: "state", past: PAST, totals: "true",
        limit: PAGE, cursor: parameters.after,
      }, signal);
    } catch (error) {
      // A selector is not one before it has been typed to its end.
      if (error.status !== 400) throw error;
      problem.textContent = error.message;
      answer = { expectations: [], totals: {} };
    }
    const { expectations: found, totals, known_since: known, next_cursor: next } = answer;
    problem.hidden = answer.known_since !== undefined;
    note.hidden = !(Date.parse(known) > Date.now());
    note.textContent = `The gateway has just started. What was due before is told from ${known ? exact(Date.parse(known) / 1000) : ""} on.`;
    STATES.forEach(([word], at) => {
      const button = filters.children[at];
      const isChosen = (parameters.state ?? "") === word;
      const number = word === "" ? all(totals) : totals[word];
      button.setAttribute("aria-pressed", String(isChosen));
      button.hidden = word === "paused" && !isChosen && !number;
      button.querySelector(".number").textContent = number === undefined ? "" : count(number);
    });
    const focused = document.activeElement?.closest?.("tr[data-row]")?.dataset.row;
    show(list, [found, q, parameters.state, Math.floor(Date.now() / 30_000)], () => (found.length > 0
      ? table({
        label: "Expected groups", className: "groups expected",
        head: [heading({ class: "group" }, "Group"), heading({ class: "pushes" }, "Last weeks"), heading({ class: "when" }, "State"),
          heading({ class: "due" }, "Due"), heading({ class: "last" }, "Last push"), heading({ class: "how" }, "Expected")],
        rows: found.map(line),
      })
      : h("p", { class: "none" }, q || parameters.state ? "No expected group matches." : "Nothing is expected.")));
    if (focused) [...list.querySelectorAll("tr[data-row]")].find((one) => one.dataset.row === focused)?.focus({ preventScroll: true });
    const matching = q ? plural(all(totals), "group") : "";
    if (matching && matching !== told) announce(matching);
    told = matching;
    show(pager, [parameters, next], () => [
      parameters.after && h("button", { type: "button", onclick: () => change({}) }, "First"),
      next && h("button", { type: "button", onclick: () => go("expected", { ...parameters, after: next }) }, "Next"),
    ]);
  };
};
