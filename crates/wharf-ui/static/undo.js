// What was deleted is gone at once, and can be taken back for as long as the gateway keeps it.

import { access, get, undo } from "./api.js";
import { cell, h, heading, row, table } from "./dom.js";
import { count, duration, plural, visible } from "./format.js";
import { plain } from "./labels.js";
import { action, done, fail, notice } from "./notices.js";
import { refresh } from "./route.js";
import { ago } from "./time.js";

// Afterwards the list of what was removed still has the button.
const NOTICE_MS = 60_000;
const MOST_NAMED = 5;
// What somebody deletes within this time is one line of the list: the page deletes selected groups one by one.
const TOGETHER_S = 10;
const MOST_LINES = 10;

/** What can be said before something is deleted: whether it can be undone, as soon as the gateway has said it. */
export const undoText = () => {
  const text = h("span", {});
  promise().then((said) => { text.textContent = said; });
  return text;
};

const promise = async () => {
  const may = await access();
  const { kept } = may.undo ? await get("admin/removed", { limit: 1 }).catch(() => ({})) : {};
  if (kept === undefined) return "";
  if (kept === null) return "This cannot be undone.";
  const time = `You can undo it for ${duration(kept.max_age_seconds)}`;
  return kept.survives_restart ? `${time}.` : `${time}, as long as the gateway runs.`;
};

/** Says that something is gone, with what takes it back. `receipts` are what the gateway said of each removal. */
export const gone = (what, receipts) => {
  const ids = receipts.filter((one) => one?.id).map(({ id }) => id);
  const lost = receipts.find((one) => one?.impossible);
  const why = lost ? ` ${ids.length > 0 ? "Some of it" : "It"} cannot be undone: ${lost.impossible}.` : "";
  const text = `Deleted ${what}.${why}`;
  refresh();
  if (ids.length === 0) return why ? fail(text) : done(text);
  const end = () => {
    clearTimeout(timer);
    close();
  };
  const close = notice(text, action("Undo", () => { end(); takeBack(ids, what); }), action("Dismiss", () => end()));
  const timer = setTimeout(close, NOTICE_MS);
  return undefined;
};

/** Some groups by name, and how many more. */
const names = (groups, number) => {
  const named = groups.slice(0, MOST_NAMED).map(plain).join(", ");
  return number > MOST_NAMED ? `${named} and ${count(number - MOST_NAMED)} more` : named;
};

const AWAY = [
  ["kept", "pushed since, and left alone"], ["expired", "expired meanwhile"], ["missing", "not there any more: undo the removal of the group first"],
];

/** Takes removals back, and says what has come back and what has not. */
const takeBack = async (ids, what) => {
  let groups = 0;
  const away = Object.fromEntries([...AWAY.map(([kind]) => kind), "refused"].map((kind) => [kind, { count: 0, groups: [] }]));
  let error;
  // One after the other: each is a change of its own.
  for (const id of ids) {
    try {
      const undone = await undo(id);
      groups += undone.groups;
      for (const [kind, all] of Object.entries(away)) {
        all.count += undone[kind].count;
        all.groups.push(...undone[kind].groups);
      }
    } catch (refused) {
      error ??= refused;
    }
  }
  refresh();
  const said = AWAY.filter(([kind]) => away[kind].count > 0)
    .map(([kind, why]) => `${plural(away[kind].count, "group")} ${why}: ${names(away[kind].groups, away[kind].count)}`);
  const { count: refused, groups: [first] } = away.refused;
  if (refused > 0) said.push(`${plural(refused, "group")} refused: ${plain(first.labels)}: ${first.error}`);
  if (error) said.push(error.message);
  const back = groups > 0 ? `Back: ${groups === 1 && ids.length === 1 ? what : plural(groups, "group")}.` : "Nothing has come back.";
  if (said.length > 0) fail([back, ...said].join("\n"));
  else done(back);
};

/** What can be undone, newest first: what one reader has deleted together is one entry. */
const together = (removals) => {
  const found = [];
  for (const one of removals.filter(({ undoable }) => undoable)) {
    const seconds = Date.parse(one.time) / 1000;
    const last = found.at(-1);
    const isSame = last && last.first.kind === "group" && one.kind === "group" && last.first.by === one.by && last.first.address === one.address;
    if (isSame && last.seconds - seconds <= TOGETHER_S) {
      last.all.push(one);
      last.seconds = seconds;
    } else found.push({ first: one, all: [one], seconds });
  }
  return found;
};

/** What a removal took away, in words. */
const title = ({ first, all }) => {
  const what = first.what ?? (first.kind === "wipe" ? "everything" : plural(first.groups, "group"));
  return all.length > 1 ? `${what} and ${plural(all.length - 1, "other group")}` : what;
};

/** The list of what was removed; nothing if there is nothing to take back. */
export const removed = (removals) => {
  const all = together(removals);
  if (all.length === 0) return [];
  const line = (entry) => {
    const { first } = entry;
    const what = title(entry);
    const left = Date.parse(first.until) / 1000;
    return row({},
      cell({}, ago(Date.parse(first.time) / 1000)),
      cell({}, visible(what)),
      cell({ class: "who" }, visible(first.by ?? "unknown"), first.address && h("small", {}, visible(first.address))),
      cell({ class: "number" }, count(entry.all.reduce((sum, { groups }) => sum + groups, 0))),
      cell({}, h("button", {
        type: "button", "aria-label": `Undo: ${what}`,
        onclick: ({ target }) => { target.disabled = true; takeBack(entry.all.map(({ id }) => id), what); },
      }, "Undo"), h("small", {}, "ends ", ago(left))));
  };
  return h("section", { class: "panel", "aria-labelledby": "removed-title" },
    h("h2", { id: "removed-title" }, "Recently removed"),
    h("div", { class: "scroll" }, table({
      label: "Recently removed", className: "removed",
      head: [heading({}, "When"), heading({}, "What"), heading({ class: "who" }, "Who"), heading({ class: "number" }, "Groups"), heading({}, "")],
      rows: all.slice(0, MOST_LINES).map(line),
    })),
    all.length > MOST_LINES && h("p", { class: "faint" }, `and ${plural(all.length - MOST_LINES, "more removal")}: `, h("code", {}, "wharf undo --list")));
};

/**
 * Calls `look` when the result is called, one call at a time and for a small part of the time only. What has changed meanwhile
 * is looked at once more.
 */
export const paced = (look, { share = 20, most = 10_000 } = {}) => {
  let next = 0;
  let timer;
  let isBusy = false;
  let isWanted = false;
  const run = async () => {
    clearTimeout(timer);
    const wait = next - Date.now();
    if (isBusy) isWanted = true;
    else if (wait > 0) timer = setTimeout(run, wait);
    else {
      isBusy = true;
      isWanted = false;
      const began = Date.now();
      await look().catch(() => {});
      next = Date.now() + Math.min(most, share * (Date.now() - began));
      isBusy = false;
      if (isWanted) run();
    }
  };
  return run;
};
