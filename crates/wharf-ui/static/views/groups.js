// All groups, one row each: search, filters, order, pages, and what may be deleted.

import { access, deleteGroups, deleteMatching, get, wipe } from "../api.js";
import { confirm, copyButton } from "../dialog.js";
import { announce, cell, h, heading, replace, row, show, sync, table } from "../dom.js";
import { bytes, clock, count, duration, plural } from "../format.js";
import { group as title, plain } from "../labels.js";
import { fail } from "../notices.js";
import { title as documentTitle } from "../problems.js";
import { BASE, current, go, href } from "../route.js";
import { strip } from "../strip.js";
import { ago } from "../time.js";
import { gone, paced, removed as removedList, undoText } from "../undo.js";

const PAGE = 100;
const FIELDS = [
  "labels", "path", "last_push_successful", "push_time_seconds", "push_failure_time_seconds", "series", "bytes", "expires_at",
  "states", "expectation", "usual_interval_seconds", "stale_after_seconds", "last_error", "history", "rights",
].join(",");
const STATES = [["", "All"], ["failed", "Refused"], ["stale", "Late"], ["expiring", "Expiring"], ["future", "In the future"]];
// Mostly there are none of these, and a filter for them would only take room.
const RARE = "future";
const TYPING_MS = 60;
// What an age leaves of a selector may be a long list.
const ASKING_MS = 250;
// Counting asks about every group: it is done as soon as something has changed, but takes a small part of the time only.
const COUNTS_SHARE = 20;
const COUNTS_MOST_MS = 10_000;
const MOST_KEYS_SHOWN = 200;
const MOST_REMOVED = 200;

/** What a search means to the API: a selector in braces, or words. */
const asQuery = (text = "") => (isSelector(text) ? { "match[]": text, total: "true" } : { q: text });
const isSelector = (text) => text.trim().startsWith("{");

export const open = (main) => {
  let parameters = {};
  let page = { groups: [] };
  let may = {};
  let typing;
  let found;
  let counting;
  // The numbers at the filters, of one search; and when they may be asked for again.
  let counted = { q: undefined, totals: {} };
  let countAgainAt = 0;
  const cursors = [];
  const selected = new Map();
  const rows = new Map();

  const search = h("input", {
    type: "search", id: "search", spellcheck: "false", autocomplete: "off",
    placeholder: 'Search job and labels, or {job=~"back.*",env!="dev"}', "aria-describedby": "search-problem",
    oninput: () => {
      clearTimeout(typing);
      typing = setTimeout(() => change({ q: search.value }, { replacing: true }), TYPING_MS);
    },
    onkeydown: (event) => {
      if (event.key === "Enter") document.querySelector("tr[data-row]")?.focus();
    },
  });
  const problem = h("p", { id: "search-problem", class: "problem", role: "alert", hidden: true });
  const filters = h("div", { class: "filters", role: "group", "aria-label": "Filter" }, STATES.map(([state, text]) =>
    h("button", { type: "button", class: state, onclick: () => change({ state }) }, text, h("span", { class: "number" }))));
  const total = h("span", { class: "total" });
  const actions = h("div", { class: "actions" });
  const list = h("div", { class: "list" });
  const pager = h("nav", { class: "pager", "aria-label": "Pages" });
  const removed = h("div", {});
  const footer = h("div", { class: "footer" });
  main.append(
    h("h1", { class: "unseen" }, "Groups"),
    h("div", { class: "toolbar" },
      h("label", { class: "search", for: "search" }, h("span", { class: "unseen" }, "Search groups"), search, h("kbd", { "aria-hidden": "true" }, "/")),
      filters, total),
    problem, list, actions, pager, removed, footer);

  /** Goes to the same list with other parameters; a new list begins at its first page. */
  const change = (changes, options) => {
    const { after, ...kept } = parameters;
    go("groups", { ...kept, ...changes }, options);
  };

  const drawFilters = () => STATES.forEach(([state], at) => {
    const button = filters.children[at];
    const number = counted.totals[state];
    const isChosen = (parameters.state ?? "") === state;
    button.setAttribute("aria-pressed", String(isChosen));
    button.hidden = state === RARE && !isChosen && !number;
    button.querySelector(".number").textContent = number === undefined ? "" : count(number);
  });

  /** What the list says itself of the numbers at the filters; whether that is all. */
  const countList = () => {
    if (counted.q !== parameters.q) counted = { q: parameters.q, totals: {} };
    if (page.total !== undefined) counted.totals[parameters.state ?? ""] = page.total;
    const isWhole = !parameters.state && !parameters.after && !page.next_cursor;
    if (isWhole) {
      for (const [state] of STATES) {
        counted.totals[state] = page.groups.filter(({ states }) => state === "" || (states ?? []).includes(state)).length;
      }
    }
    drawFilters();
    return isWhole;
  };

  // These go on when the list is asked for again meanwhile: nobody would ask for the numbers another time.
  const countStates = async () => {
    clearTimeout(counting);
    if (!filters.isConnected) return;
    const wait = countAgainAt - Date.now();
    if (wait > 0) {
      // What has changed by now is counted then.
      counting = setTimeout(countStates, wait);
      return;
    }
    const began = Date.now();
    countAgainAt = Infinity;
    const asked = asQuery(counted.q);
    const { q } = counted;
    const answers = await Promise.all(STATES.map(([state]) =>
      get("groups", { ...asked, state, limit: 1, fields: "path", total: "true" }))).catch(() => undefined);
    countAgainAt = Date.now() + Math.min(COUNTS_MOST_MS, COUNTS_SHARE * (Date.now() - began));
    if (!answers) return;
    if (q !== counted.q) {
      // The search is another one by now.
      countStates();
      return;
    }
    counted.totals = Object.fromEntries(STATES.map(([state], at) => [state, answers[at].total]));
    drawFilters();
  };

  const sortButton = (by, text, firstDown = true) => {
    const sort = parameters.sort ?? "job";
    const isSorted = sort.replace("-", "") === by;
    const other = sort.startsWith("-") ? by : `-${by}`;
    return h("button", {
      type: "button", class: isSorted ? "sorted" : "", onclick: () => change({ sort: isSorted ? other : `${firstDown ? "-" : ""}${by}` }),
    }, text, isSorted && h("span", { "aria-hidden": "true" }, sort.startsWith("-") ? " ↓" : " ↑"));
  };
  const sorted = (by) => {
    const sort = parameters.sort ?? "job";
    if (sort.replace("-", "") !== by) return {};
    return { "aria-sort": sort.startsWith("-") ? "descending" : "ascending" };
  };

  /** Whether the reader may delete a group, here. */
  const mayDelete = ({ rights }) => may.delete_group && rights.includes("delete");

  const select = (group, isSelected) => {
    if (isSelected) selected.set(group.path, group.labels);
    else selected.delete(group.path);
    drawActions();
    drawAll();
  };

  /** Selects all rows of the page, or none of them. */
  const all = h("input", {
    type: "checkbox", "aria-label": "Select all groups of this page",
    onchange: () => {
      for (const { path, labels } of page.groups.filter(mayDelete)) {
        if (all.checked) selected.set(path, labels);
        else selected.delete(path);
      }
      drawActions();
      drawList();
    },
  });
  const drawAll = () => {
    const shown = page.groups.filter(mayDelete);
    const count = shown.filter((group) => selected.has(group.path)).length;
    all.checked = count > 0 && count === shown.length;
    all.indeterminate = count > 0 && count < shown.length;
  };

  /** What is wrong with a group, in words. */
  const trouble = (group) => {
    const states = group.states ?? [];
    const error = group.last_error;
    const usual = group.usual_interval_seconds;
    return [
      states.includes("failed") && h("div", { class: "trouble failed" }, h("strong", {}, "refused "),
        ago(error?.time_seconds ?? group.push_failure_time_seconds), error && `: ${error.reason}`),
      states.includes("future") && h("div", { class: "trouble failed" }, h("strong", {}, "in the future")),
      states.includes("overdue") && h("div", { class: "trouble failed" }, h("strong", {}, "overdue"), ", due ", ago(Date.parse(group.expectation.due) / 1000)),
      states.includes("stale") && !states.includes("overdue") && h("div", { class: "trouble stale" }, h("strong", {}, "late"), usual > 0 && `, usually every ${duration(usual)}`),
    ];
  };

  const line = (group) => {
    const { path, labels } = group;
    const expires = group.expires_at && Date.parse(group.expires_at) / 1000;
    const isExpiring = (group.states ?? []).includes("expiring");
    const isFuture = (group.states ?? []).includes("future");
    const box = mayDelete(group) && h("input", {
      type: "checkbox", "aria-label": `Select ${plain(labels)}`, onchange: (event) => select(group, event.target.checked),
    });
    const isAlarming = ["failed", "overdue"].some((state) => (group.states ?? []).includes(state));
    return row({ tabindex: 0, data: { row: path }, class: isAlarming ? "failed" : "" },
      cell({ class: "check" }, box),
      cell({ class: "group" }, h("a", { href: href("group", { group: path }), data: { view: "group" } }, title(labels))),
      cell({ class: "pushes" }, strip(group.history, pace(group))),
      cell({ class: "when" },
        group.push_time_seconds > 0
          ? h("div", { class: isFuture ? "failed" : "" }, ago(group.push_time_seconds), h("span", { class: "exact" }, clock(group.push_time_seconds)))
          : h("div", { class: "faint" }, "never accepted"),
        trouble(group)),
      cell({ class: "number series" }, count(group.series)),
      cell({ class: "number bytes" }, bytes(group.bytes)),
      cell({ class: `expiry ${isExpiring ? "soon" : ""}` }, expires ? ago(expires) : h("span", { class: "faint" }, "never")));
  };

  /** The row of a group, the same element as long as it would say the same. */
  const rowOf = (group) => {
    // What a strip says changes with time too: pushes become overdue.
    const said = JSON.stringify([group, may.delete_group, Math.floor(Date.now() / 30_000)]);
    if (rows.get(group.path)?.said !== said) rows.set(group.path, { said, element: line(group) });
    const { element } = rows.get(group.path);
    const box = element.querySelector("input");
    if (box) box.checked = selected.has(group.path);
    return element;
  };

  const drawList = () => {
    const shown = page.groups;
    const kept = new Set(shown.map((group) => group.path));
    for (const path of rows.keys()) if (!kept.has(path)) rows.delete(path);
    const isPart = Boolean(parameters.q || parameters.state || parameters.after);
    if (!problem.hidden) return show(list, ["problem"], () => h("p", { class: "none" }, "Nothing is shown, as the search cannot be understood."));
    if (shown.length === 0) return show(list, [isPart], () => (isPart ? h("p", { class: "none" }, "No group matches.") : welcome(may)));
    const canSelect = shown.some(mayDelete);
    show(list, [parameters.sort, canSelect], () => table({
        label: "Groups", className: "groups",
        head: [
          heading({ class: "check" }, canSelect ? all : h("span", { class: "unseen" }, "Select")),
          heading({ class: "group", ...sorted("job") }, sortButton("job", "Group", false)),
          heading({ class: "pushes" }, "Last pushes"),
          heading({ class: "when", ...sorted("push_time"), ...sorted("failure_time") },
            sortButton("push_time", "Last push"), sortButton("failure_time", "Last refused")),
          heading({ class: "number series", ...sorted("series") }, sortButton("series", "Series")),
          heading({ class: "number bytes", ...sorted("bytes") }, sortButton("bytes", "Bytes")),
          heading({ class: "expiry", ...sorted("expires_at") }, sortButton("expires_at", "Expires", false)),
        ],
        rows: [],
      }));
    // A row that says something new is another element; the reader stays where they were.
    const focused = document.activeElement?.closest?.("tr[data-row]");
    const isBox = document.activeElement?.matches("input");
    sync(list.querySelector("tbody"), shown.map(rowOf));
    drawAll();
    const next = focused && !focused.isConnected && rows.get(focused.dataset.row)?.element;
    if (next) (isBox ? next.querySelector("input") : next)?.focus({ preventScroll: true });
    return undefined;
  };

  const drawPager = () => {
    const from = cursors.length * PAGE + 1;
    const last = cursors.length * PAGE + page.groups.length;
    const step = (text, target, isPossible) =>
      h("button", { type: "button", disabled: !isPossible, onclick: target }, text);
    const turn = (after) => {
      go("groups", { ...parameters, after });
      scrollTo(0, 0);
    };
    show(pager, [parameters.after, page.next_cursor, cursors.length, last], () => (parameters.after || page.next_cursor) && [
      step("First", () => turn(undefined), parameters.after),
      step("Previous", () => turn(cursors.at(-2)), parameters.after && cursors.length > 0),
      h("span", {}, cursors.length > 0 || !parameters.after ? `${count(from)} to ${count(last)}` : ""),
      step("Next", () => turn(page.next_cursor), page.next_cursor),
    ]);
  };

  const drawActions = () => {
    // A selector knows no states: with a filter it would delete more than is shown.
    const canDelete = isSelector(parameters.q ?? "") && !parameters.state && may.delete_by_selector && page.groups.some(mayDelete);
    show(actions, [selected.size], () => [
      selected.size > 0 && [
        h("span", {}, `${count(selected.size)} selected`),
        h("button", { type: "button", class: "danger", onclick: deleteSelected }, "Delete…"),
        h("button", { type: "button", class: "link", onclick: clear }, "Clear"),
      ],
    ]);
    actions.hidden = selected.size === 0;
    show(total, [page.total, parameters.q, canDelete], () => [
      // Without a search the number stands at the filters already.
      page.total !== undefined && parameters.q && plural(page.total, "group"),
      canDelete && [" ", h("button", { type: "button", class: "link danger", onclick: () => deleteBySelector(parameters.q) }, "Delete all of them…")],
    ]);
  };

  const clear = () => {
    selected.clear();
    drawActions();
    drawList();
  };

  const keyList = (keys) => h("ul", { class: "keys-list" }, keys.slice(0, MOST_KEYS_SHOWN).map((labels) => h("li", {}, title(labels))),
    keys.length > MOST_KEYS_SHOWN && h("li", { class: "faint" }, `and ${count(keys.length - MOST_KEYS_SHOWN)} more`));

  const deleteSelected = async () => {
    const groups = [...selected];
    const what = plural(groups.length, "group");
    const isWanted = await confirm({
      title: `Delete ${what}?`, content: [keyList(groups.map(([, labels]) => labels)), h("p", { class: "last" }, undoText())], action: `Delete ${what}`,
    });
    if (!isWanted) return;
    clear();
    const { receipts, refused } = await deleteGroups(groups.map(([path]) => path));
    if (receipts.length > 0) gone(groups.length === 1 ? plain(groups[0][1]) : plural(receipts.length, "group"), receipts);
    if (refused) fail(refused);
  };

  const deleteBySelector = async (selector) => {
    const preview = h("div", { "aria-live": "polite" });
    let button;
    let wanted;
    let asking;
    // What is deleted is what was looked at last: while the reader writes an age, nothing can be.
    const look = async () => {
      const asked = { "match[]": selector, older_than: age.value.trim() };
      wanted = asked;
      button.disabled = true;
      try {
        const { count: found, groups } = await deleteMatching({ ...asked, dry_run: "true" });
        if (wanted !== asked) return;
        button.textContent = `Delete ${plural(found, "group")}`;
        button.disabled = found === 0;
        replace(preview, found > 0 ? keyList(groups) : h("p", { class: "faint" }, "No group is that old."));
      } catch (error) {
        if (wanted === asked) replace(preview, h("p", { class: "problem" }, error.message));
      }
    };
    const age = h("input", {
      type: "text", id: "older-than", class: "short", spellcheck: "false", autocomplete: "off", placeholder: "any time",
      oninput: () => {
        button.disabled = true;
        wanted = undefined;
        clearTimeout(asking);
        asking = setTimeout(look, ASKING_MS);
      },
      // It would press the first button, which is the one that goes back.
      onkeydown: (event) => event.key === "Enter" && event.preventDefault(),
    });
    const isWanted = await confirm({
      title: "Delete what the selector names?",
      content: [
        h("p", {}, h("code", {}, selector)),
        h("p", {}, h("label", { for: "older-than" }, "Only what has not been pushed for "), age, h("small", { class: "faint" }, " such as 12h, 7d")),
        preview, h("p", { class: "last" }, undoText()),
      ],
      action: "Delete",
      begin: (made) => {
        button = made;
        look();
      },
    });
    clearTimeout(asking);
    if (!isWanted) return;
    await deleteMatching(wanted).then(({ count: number, undo }) => gone(plural(number, "group"), [undo]), (error) => fail(error.message));
  };

  const wipeAll = async () => {
    const isWanted = await confirm({
      title: "Wipe everything?", word: "wipe", action: "Wipe all groups",
      content: [h("p", {}, "All groups go at once, with their metrics and their history."), h("p", {}, undoText())],
    });
    if (!isWanted) return;
    await wipe().then((undo) => gone("all groups", [undo]), (error) => fail(error.message));
  };

  const lookForRemoved = paced(async () => {
    if (!removed.isConnected) return;
    const { removals } = may.undo ? await get("admin/removed", { limit: MOST_REMOVED }) : { removals: [] };
    // What can be undone is fewer as time goes on.
    show(removed, [removals, Math.floor(Date.now() / 30_000)], () => removedList(removals));
  });

  const drawFooter = () => show(footer, may.wipe, () => may.wipe && h("button", { type: "button", class: "link danger", onclick: wipeAll }, "Wipe everything…"));

  return async (now, signal) => {
    parameters = now;
    if (document.activeElement !== search) search.value = parameters.q ?? "";
    documentTitle("Groups · Wharf");
    drawFilters();
    may = await access();
    let answer;
    try {
      answer = await get("groups", {
        ...asQuery(parameters.q), state: parameters.state, sort: parameters.sort ?? "job", cursor: parameters.after, limit: PAGE, fields: FIELDS,
      }, signal);
    } catch (error) {
      // A selector is not one before it has been typed to its end. What it would name is not known, so nothing is shown
      // that could be taken for it, or be deleted for it.
      if (error.status !== 400) throw error;
      problem.textContent = forReaders(error.message);
      problem.hidden = false;
      page = { groups: [] };
      found = undefined;
      counted = { q: parameters.q, totals: {} };
      clearTimeout(counting);
      cursors.length = 0;
      selected.clear();
      drawFilters();
      drawList();
      drawPager();
      drawActions();
      return;
    }
    problem.hidden = true;
    // The pages before this one are known as long as the reader came along them.
    if (!parameters.after) cursors.length = 0;
    else if (cursors.includes(parameters.after)) cursors.length = cursors.indexOf(parameters.after) + 1;
    else if (parameters.after === page.next_cursor) cursors.push(parameters.after);
    page = answer;
    // What may not be deleted any more is not selected either.
    if (!may.delete_group) selected.clear();
    for (const group of page.groups) if (!mayDelete(group)) selected.delete(group.path);
    if (parameters.q && page.total !== found) announce(plural(page.total ?? page.groups.length, "group"));
    found = page.total;
    drawList();
    drawPager();
    drawActions();
    drawFooter();
    lookForRemoved();
    if (countList()) clearTimeout(counting);
    else countStates();
    if (current().view !== "groups") clearTimeout(typing);
  };
};

/** A refusal of the API in the words of the page. */
const forReaders = (text) => text.replace(/^match\[\]: /, "Selector: ").replace(/^q: /, "Search: ");

const pace = (group) => ({ usual: group.usual_interval_seconds, staleAfter: group.stale_after_seconds });

/** For whoever has pushed nothing yet, or may not see it. */
const welcome = (may) => {
  if (!may.stats) {
    return h("section", { class: "welcome" }, h("h2", {}, "There is no group that you may see"),
      h("p", {}, "The gateway shows you some groups only, and has none of them now. They appear here by themselves."));
  }
  const line = `echo "backup_duration_seconds 42.5" | curl --data-binary @- ${BASE}metrics/job/backup/instance/db1`;
  return h("section", { class: "welcome" },
    h("h2", {}, "Nothing has been pushed yet"),
    h("p", {}, "Batch jobs push their metrics here, and Prometheus picks them up. They appear here by themselves."),
    may.push && h("p", {}, "Try it; this line pushes one:"),
    may.push && h("div", { class: "code" }, h("pre", {}, line), copyButton(line, "the line")),
    may.push && h("p", { class: "faint" }, "Labels of the URL name the group. Another push to the same URL takes the place of what the group had by those names."));
};
