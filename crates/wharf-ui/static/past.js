// What was expected of a group in the last weeks and what came: as a line in time, as a calendar, and as a table. What each mark
// means differs not by colour alone.

import * as gateway from "./clock.js";
import { cell, h, heading, row, svg, table } from "./dom.js";
import { clock, exact } from "./format.js";
import { ago } from "./time.js";

/** So much of the past is asked for. */
export const WEEKS = 5;
export const PAST = `${7 * WEEKS}d`;

// Each outcome: the sign of its day, and its words. Of several on one day the first of these is shown.
const OUTCOMES = {
  missed: ["✗", "missed"], late: ["◐", "late"], due: ["○", "due, waited for"], came: ["●", "came"], extra: ["●", "came, not expected then"],
};
const ORDER = Object.keys(OUTCOMES);
const NONE = ["·", "not expected"];
const UNKNOWN = ["", "not known"];

/** Occasions of the compact form `[due, came, outcome]` as objects, with the time at which each is shown. */
const occasions = ({ past = [] }) => past.map(([due, came, outcome]) =>
  // What came before it was due is shown when it came, and what came too late when it was due.
  ({ due, came, outcome, at: came !== null && (due === null || came < due) ? came : due }));

const seconds = (text) => Date.parse(text) / 1000;

/** How a group is expected, in words. */
export const how = ({ every, schedule, timezone, grace }) =>
  [every ? `every ${every}` : h("span", {}, h("code", {}, schedule), ` (${timezone})`), grace !== "0s" && h("small", {}, ` grace ${grace}`)];

/** How that stands, in words. */
export const state = ({ state: word, due, overdue_at: overdue, last_push: last, paused_until: until }) => {
  if (word === "overdue") return [h("strong", { class: "failed" }, "overdue"), overdue && ` since ${clock(seconds(overdue))}`, !last && ", never came"];
  if (word === "due") return [h("strong", { class: "stale" }, "due"), overdue && [", overdue ", ago(seconds(overdue))]];
  if (word === "paused") return ["paused", until && `, until ${clock(seconds(until))}`];
  return [h("span", { class: "faint" }, "waiting"), !due && ", never due"];
};

const describe = ({ due, came, outcome }) =>
  [OUTCOMES[outcome][1], due !== null && `due ${exact(due)}`, came !== null && `came ${exact(came)}`].filter(Boolean).join("\n");

const WIDTH = 240;
const HEIGHT = 26;
const LINE = 18;
// Shorter ones would say nothing.
const LEAST_S = 3600;

/** The last weeks of a group as a line in time: what came stands on it, what was due is marked below. */
export const timeline = (one, now = gateway.now()) => {
  const all = occasions(one);
  const from = Math.min(seconds(one.past_since), now - LEAST_S);
  const x = (time) => 1 + ((time - from) / (now - from)) * (WIDTH - 5);
  const box = (left, y, width, height) => `M${left.toFixed(1)} ${y}h${width}v${height}h${-width}z`;
  const paths = { ok: "", late: "", missed: "", gap: "", tick: "" };
  for (const { due, came, outcome } of all) {
    if (outcome === "missed") paths.missed += box(x(due), 4.5, 2, LINE - 5);
    else if (outcome === "due") paths.gap += box(x(due), LINE - 3, 2, 2);
    else if (outcome === "late") paths.late += box(x(came), LINE - 8, 2, 8);
    else paths.ok += box(x(came), 4, 2, LINE - 4);
    if (due !== null && due <= now) paths.tick += `M${(x(due) + 1).toFixed(1)} ${LINE + 2}v4`;
  }
  const count = (outcome) => all.filter((each) => each.outcome === outcome).length;
  const label = [`Since ${clock(from)}: ${count("came") + count("extra")} came`,
    ...["late", "missed"].map((outcome) => count(outcome) > 0 && `${count(outcome)} ${outcome}`)].filter(Boolean).join(", ");
  const picture = svg("svg", { class: "strip past", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, preserveAspectRatio: "none" },
    svg("path", { class: "line", d: `M0 ${LINE + 0.5}h${WIDTH}` }), Object.entries(paths).map(([name, d]) => d && svg("path", { class: name, d })));
  const wrapper = h("span", { class: "strip-box", title: label }, picture);
  picture.addEventListener("pointermove", (event) => {
    const area = picture.getBoundingClientRect();
    const at = from + ((event.clientX - area.left) / area.width) * (now - from);
    const near = all.reduce((best, each) => (best && Math.abs(best.at - at) <= Math.abs(each.at - at) ? best : each), undefined);
    wrapper.title = near ? `${describe(near)}\n\n${label}` : label;
  });
  return wrapper;
};

/** What the marks of such a line mean. */
export const legend = () => h("p", { class: "legend past" }, h("span", { class: "ok" }, "came"), h("span", { class: "late" }, "late"),
  h("span", { class: "missed" }, "missed"), h("span", { class: "tick" }, "was due"));

const midnight = (time, days) => new Date(time.getFullYear(), time.getMonth(), time.getDate() + days);

/** The last weeks day by day, in the reader's own time zone; the weeks begin on Monday. */
export const calendar = (one, now = gateway.now()) => {
  const days = new Map();
  const dayOf = (time) => midnight(new Date(time * 1000), 0).getTime();
  const add = (day, each) => days.set(day, [...(days.get(day) ?? []), each]);
  for (const each of occasions(one)) {
    const day = dayOf(each.at);
    // What came on a later day was missed on its own.
    const isLater = each.outcome === "late" && dayOf(each.came) !== day;
    add(day, isLater ? { ...each, outcome: "missed" } : each);
    if (isLater) add(dayOf(each.came), each);
  }
  const today = midnight(new Date(now * 1000), 0);
  const known = midnight(new Date(seconds(one.past_since) * 1000), 0);
  const monday = midnight(today, -((today.getDay() + 6) % 7) - 7 * (WEEKS - 1));
  const name = (date, options) => date.toLocaleDateString(undefined, options);
  const day = (date) => {
    if (date > today) return cell({});
    const found = days.get(date.getTime()) ?? [];
    const outcome = ORDER.find((each) => found.some((one) => one.outcome === each));
    const [sign, words] = outcome ? OUTCOMES[outcome] : date < known ? UNKNOWN : NONE;
    return cell({ class: outcome ?? "", title: found.map(describe).join("\n\n") || words },
      h("small", {}, name(date, date.getDate() === 1 ? { month: "short", day: "numeric" } : { day: "numeric" })),
      h("span", { class: "sign", "aria-hidden": "true" }, sign), h("span", { class: "unseen" }, ` ${words}`));
  };
  const week = [0, 1, 2, 3, 4, 5, 6];
  return table({
    label: "Calendar", className: "calendar",
    head: week.map((at) => heading({}, name(midnight(monday, at), { weekday: "short" }))),
    rows: Array.from({ length: WEEKS }, (_, at) => row({}, week.map((weekday) => day(midnight(monday, 7 * at + weekday))))),
  });
};

const MOST_ROWS = 100;

/** All of it in words, the newest first. */
export const list = (one) => h("details", {}, h("summary", {}, "All times"), h("div", { class: "scroll" }, table({
  label: "What was expected", className: "past", empty: "Nothing was due yet.",
  head: [heading({}, "Due"), heading({}, "Came"), heading({}, "Outcome")],
  rows: occasions(one).toReversed().slice(0, MOST_ROWS).map(({ due, came, outcome }) => row({},
    cell({}, due === null ? "" : clock(due)), cell({}, came === null ? "" : clock(came)),
    cell({ class: outcome === "missed" ? "failed" : outcome === "late" ? "stale" : "" }, OUTCOMES[outcome][1]))),
})));
