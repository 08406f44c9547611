// The gateway itself: its load over the last hour, storage, limits, who scrapes, what was refused, build and flags.

import { access, get } from "../api.js";
import { timeChart } from "../chart.js";
import { copyButton } from "../dialog.js";
import { cell, h, heading, replace, row, show, svg, table } from "../dom.js";
import { bytes, count, duration, exact, plural, significant, visible, visibleLines } from "../format.js";
import { group as title } from "../labels.js";
import { title as documentTitle } from "../problems.js";
import { href } from "../route.js";
import { ago } from "../time.js";

const HOUR = 3600;
// Closer than this to a limit is worth a colour.
const CLOSE = 0.8;

const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
const section = (id, text, ...content) => h("section", { class: "panel", "aria-labelledby": id }, h("h2", { id }, text), content);

const charts = ({ buckets, now_seconds: to, bucket_seconds: width }) => {
  const from = to - HOUR;
  // The last bucket is under way, and would show less than there was.
  const whole = buckets.filter((bucket) => bucket.time_seconds + width <= to);
  const line = (value) => whole.map((bucket) => [bucket.time_seconds + width / 2, value(bucket)]);
  const last = (value, format) => {
    const found = whole.findLast((bucket) => value(bucket) !== null);
    return found ? format(value(found)) : "none yet";
  };
  const rate = (value) => `${significant(value)}/s`;
  const speed = (value) => `${bytes(value)}/s`;
  const pushes = (bucket) => bucket.pushes / width;
  const pushed = (bucket) => bucket.push_bytes / width;
  const refused = (bucket) => (bucket.refused ?? 0) / width;
  const latency = (bucket) => bucket.push_seconds_p99 ?? null;
  const scrape = (bucket) => bucket.scrape_seconds_max ?? null;
  const axis = { from, to };
  return h("div", { class: "charts" },
    timeChart({ title: "Pushes", points: line(pushes), also: line(refused), alsoTitle: "refused", format: rate, now: last(pushes, rate), ...axis }),
    timeChart({ title: "Pushed", points: line(pushed), format: speed, areBytes: true, now: last(pushed, speed), ...axis }),
    timeChart({ title: "Push time, 99 of 100", points: line(latency), format: duration, now: last(latency, duration), ...axis }),
    timeChart({ title: "Slowest scrape", points: bridged(line(scrape), 90), format: duration, now: last(scrape, duration), ...axis }),
    timeChart({ title: "Series", points: line((bucket) => bucket.series), format: count, now: last((bucket) => bucket.series, count), ...axis }),
    timeChart({ title: "Memory", points: line((bucket) => bucket.memory_bytes), format: bytes, areBytes: true, now: last((bucket) => bucket.memory_bytes, bytes), ...axis }));
};

/** Scrapes come less often than there are buckets: leaves out what is empty, unless for longer than `seconds`. */
const bridged = (points, seconds) => {
  const found = [];
  for (const [time, value] of points) {
    const before = found.at(-1);
    if (value === null) continue;
    if (before && time - before[0] > seconds) found.push([before[0], null]);
    found.push([time, value]);
  }
  return found;
};

const meter = (used, limit) => {
  const share = limit > 0 ? Math.min(1, used / limit) : 1;
  return svg("svg", { class: `meter ${share >= CLOSE ? "close" : ""}`, viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": `${Math.round(share * 100)} %` },
    svg("rect", { class: "whole", width: 100, height: 6 }), svg("rect", { class: "used", width: Math.max(share * 100, used > 0 ? 0.5 : 0), height: 6 }));
};

const amount = (name, number) => (/bytes/.test(name) ? bytes(number) : count(number));

const limits = (all) => section("limits", "Limits", table({
  label: "Limits", className: "limits", empty: "There are none.",
  head: [heading({}, "Limit"), heading({ class: "number" }, "Used"), heading({ class: "number" }, "Of"), heading({}, "")],
  rows: all.map(({ name, selector, limit, used }) => row({},
    cell({}, visible(name), selector && h("code", {}, visible(selector))),
    cell({ class: "number" }, amount(name, used)),
    cell({ class: "number" }, limit === null ? h("span", { class: "faint" }, "no limit") : amount(name, limit)),
    cell({ class: "meter-cell" }, limit === null ? "" : meter(used, limit)))),
}));

const STATES = { "memory only": "in memory only" };

const storage = (stored, history) => section("storage", "Storage",
  stored.reason && h("p", { class: "problem" }, h("strong", {}, "Pushes cannot be stored: "), stored.reason),
  stored.state === "memory only" && h("p", { class: "problem stale" }, "Nothing is written to disk: a restart loses what has been pushed.",
    stored.not_durable && h("small", {}, visible(stored.not_durable))),
  h("dl", { class: "facts" },
    fact("State", h("span", { class: `state ${stored.state === "failed" ? "failed" : "ok"}` }, STATES[stored.state] ?? stored.state),
      !stored.ready && h("small", { class: "failed" }, "not ready")),
    !["ledger", "memory"].includes(stored.engine) && fact("Kept in", visible(stored.engine), h("small", {}, "shared with other replicas")),
    stored.path && fact("Folder", h("code", {}, visible(stored.path))),
    stored.engine === "ledger" && stored.sync && fact("Synced", stored.sync === "always" ? "before each answer" : `at most every ${stored.sync}`),
    stored.log_bytes !== undefined && stored.path && fact("On disk", bytes(stored.log_bytes), h("small", {}, plural(stored.segments, "segment"))),
    stored.sync_seconds_mean !== null && stored.sync_seconds_mean !== undefined
      && fact("A sync takes", duration(stored.sync_seconds_mean), h("small", {}, `${count(stored.syncs)} so far`)),
    stored.path && fact("Failures", count(stored.failures ?? 0),
      stored.last_error && h("small", {}, "last ", ago(stored.last_error.time_seconds), `: ${visible(stored.last_error.error)}`)),
    fact("Push history", history.state === "off" ? "off" : `${bytes(history.bytes)} of ${bytes(history.max_bytes)}`,
      history.state === "failed" && h("small", { class: "failed" }, visible(history.reason)),
      history.state !== "off" && h("small", {}, `${plural(history.pushes, "push", "pushes")} of ${plural(history.groups, "group")}`))));

/** The gateways that share their groups with this one, and what none of them shows. */
const replicas = ({ replicas: all, held_back: held, waiting_changes: waiting }) => section("replicas", "Replicas",
  table({
    label: "Replicas", empty: "None is there yet.",
    head: [heading({}, "Name"), heading({}, "Version"), heading({ class: "number" }, "Behind"), heading({}, "Clock"), heading({}, "Last scrape")],
    rows: all.map((one) => row({},
      cell({}, visible(one.name), one.self && h("small", {}, "this one"), one.expires_groups && h("small", {}, "lets groups expire"),
        one.address && h("small", {}, visible(one.address))),
      cell({}, visible(one.version)), cell({ class: "number" }, duration(one.lag_seconds)),
      cell({}, one.self ? "" : apart(one.clock_offset_seconds)),
      cell({}, one.last_scrape ? ago(Date.parse(one.last_scrape) / 1000) : "none yet"))),
  }),
  waiting > 0 && h("p", { class: "faint" }, `${plural(waiting, "change")} on the way`),
  held.length > 0 && h("p", { class: "problem stale" }, "Stored and not shown, since something else has the same names: ",
    held.map((one) => h("small", {}, h("code", {}, visible(one.family)), ` of ${visible(one.group)}, ${plural(one.series, "series", "series")}`))));

/** How far a clock is before ours; less than a second is the way of the message. */
const apart = (seconds) => (Math.abs(seconds) < 1 ? "the same" : `${duration(Math.abs(seconds))} ${seconds > 0 ? "ahead" : "behind"}`);

// What only administrators are shown is empty for others, which must not look as if there were none.
const WITHHELD = "Shown to those with the right admin.";

const scrapers = (all, isAdmin) => section("scrapers", "Who scrapes", table({
  label: "Who scrapes", empty: isAdmin ? "Nobody has scraped since the start. Prometheus is to ask for /metrics, with honor_labels." : WITHHELD,
  head: [heading({}, "Who"), heading({}, "Last"), heading({ class: "number" }, "Scrapes"), heading({ class: "format" }, "Format"), heading({ class: "number" }, "Size"), heading({ class: "number" }, "Took")],
  rows: all.map((one) => row({},
    cell({}, visible(one.user_agent ?? "unknown"), h("small", {}, visible(one.address ?? ""))),
    cell({}, ago(one.last_seconds)),
    cell({ class: "number" }, count(one.scrapes)),
    cell({ class: "format" }, visible(one.format ?? ""), one.compression && h("small", {}, visible(one.compression))),
    cell({ class: "number" }, bytes(one.bytes)), cell({ class: "number" }, duration(one.duration_seconds)))),
}));

const refusal = (one) => {
  const text = [
    `${exact(one.time_seconds)} ${one.status} ${one.reason}`,
    one.address && `from ${one.address}`, one.request_id && `request ${one.request_id}`, one.path && `to /metrics/${one.path}`, one.error,
  ].filter(Boolean).join("\n");
  return h("li", {},
    h("div", {}, h("strong", {}, one.reason), " ", h("span", { class: "faint" }, `${one.status}`), " ", ago(one.time_seconds),
      one.address && h("span", { class: "faint" }, ` from ${visible(one.address)}`), copyButton(text, "this refusal")),
    one.labels && h("div", {}, one.path ? h("a", { href: href("group", { group: one.path }), data: { view: "group" } }, title(one.labels)) : title(one.labels)),
    h("pre", {}, visibleLines(one.error)));
};

const refusals = (all, isAdmin) => section("refused", "Refused pushes",
  all.length === 0 ? h("p", { class: "faint" }, isAdmin ? "None since the start." : WITHHELD) : h("ul", { class: "refusals" }, all.map(refusal)));

const ACTIONS = {
  delete: "deleted a group", delete_family: "deleted a family", delete_by_selector: "deleted by selector", reset: "reset a group", wipe: "wiped everything",
  undo: "undid a removal", import: "imported groups", reload: "read the configuration file again",
  expect_pause: "paused an expectation", expect_resume: "ended a pause", expect_remove: "removed an expectation", quit: "ended the process",
};
const MOST_ACTIONS = 20;

const action = (one) => row({ class: one.error ? "failed" : "" },
  cell({}, ago(Date.parse(one.last_time) / 1000), one.times > 1 && h("small", {}, `${count(one.times)} times`)),
  cell({}, visible(one.who), one.address && h("small", {}, visible(one.address))),
  cell({}, ACTIONS[one.kind] ?? visible(one.kind), one.what && h("small", {}, visible(one.what)),
    one.error && h("small", { class: "failed" }, `failed: ${visible(one.error)}`)),
  cell({ class: "number" }, one.groups > 0 ? count(one.groups) : ""));

const actions = ({ entries, kept }) => section("audit", "Who did what",
  h("div", { class: "scroll" }, table({
    label: "Who did what", empty: "Nobody has deleted, wiped, imported, reloaded or ended anything.",
    head: [heading({}, "When"), heading({}, "Who"), heading({}, "What"), heading({ class: "number" }, "Groups")],
    rows: entries.map(action),
  })),
  !kept && h("p", { class: "faint" }, "This list is in memory only: a restart loses it."));

// What the keys of the Pushgateway's API mean; Wharf is not written in Go.
const BUILD = {
  version: "Version", revision: "Commit", branch: "Branch", buildDate: "Built", buildUser: "Built by", goVersion: "Compiler",
};

const pairsTable = (id, text, entries) => section(id, text, h("div", { class: "scroll" }, table({
  label: text, className: "settings", empty: WITHHELD, head: [heading({}, "Name"), heading({}, "Value")],
  rows: entries.map(([name, value]) => row({}, cell({}, name), cell({}, visible(value)))),
})));

const drawNumbers = (numbers, stats, status, shared, isAdmin) => {
  const { totals } = stats;
  // What is being read and copied stays as it is while nothing has changed.
  const refused = numbers.querySelector("#refused")?.closest("section");
  const said = JSON.stringify([stats.refused, isAdmin]);
  const kept = refused?.dataset.said === said ? refused : refusals(stats.refused, isAdmin);
  kept.dataset.said = said;
  replace(numbers,
    h("dl", { class: "facts tiles" },
      fact("Groups", count(totals.groups)), fact("Series", count(totals.series)), fact("Stored", bytes(totals.bytes)),
      fact("Memory", bytes(totals.memory_bytes)), fact("Pushes", count(totals.pushes), h("small", {}, "since the start")),
      fact("Refused", h("span", { class: totals.refused > 0 ? "failed" : "" }, count(totals.refused)), h("small", {}, "since the start")),
      fact("Scrapes", count(totals.scrapes), h("small", {}, "since the start")),
      fact("Started", ago(stats.started_seconds), h("small", {}, `version ${status.build_information.version}`))),
    section("load", "The last hour", charts(stats)),
    shared?.engine && replicas(shared),
    h("div", { class: "columns even" },
      h("div", {}, storage(stats.storage, stats.history), scrapers(stats.scrapers, isAdmin)),
      h("div", {}, limits(stats.limits), kept)));
};

export const open = (main) => {
  const numbers = h("div", {});
  const done = h("div", {});
  const settings = h("div", { class: "columns even" });
  main.append(h("h1", { class: "unseen" }, "Status"), numbers, done, settings);
  let started;

  return async (parameters, signal) => {
    documentTitle("Status · Wharf");
    const { stats: maySeeStats = true, admin: isAdmin = true, audit: maySeeActions } = await access();
    const [stats, status, audit, shared] = await Promise.all([
      maySeeStats && get("stats", {}, signal), get("status", {}, signal), maySeeActions && get("admin/audit", { limit: MOST_ACTIONS }, signal),
      maySeeStats && get("replicas", {}, signal),
    ]);
    if (stats) drawNumbers(numbers, stats, status, shared, isAdmin);
    else show(numbers, "withheld", () => section("load", "Numbers", h("p", {}, "How the gateway as a whole is doing is shown to those who may read every group.")));
    show(done, audit, () => audit && actions(audit));
    if (started !== status.start_time) {
      started = status.start_time;
      replace(settings,
        pairsTable("flags", "Flags", Object.entries(status.flags)),
        pairsTable("build", "Build", [...Object.entries(BUILD).map(([key, name]) => [name, status.build_information[key] ?? ""]), ["Started", status.start_time]]));
    }
  };
};
