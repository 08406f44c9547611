// One group: its families with their values, its history, and the lines that push to it or delete it.

import { access, deleteGroup, get, resetGroup } from "../api.js";
import { distribution } from "../chart.js";
import { confirm, copyButton } from "../dialog.js";
import { cell, h, heading, row, show, sync, table } from "../dom.js";
import { bytes, clock, count, duration, exact, meaning, plural, visible } from "../format.js";
import { group as title, pairs, plain } from "../labels.js";
import { PAST, calendar, how, legend, list, state, timeline } from "../past.js";
import { title as documentTitle } from "../problems.js";
import { selector, snippets } from "../quote.js";
import { BASE, go, href, refresh } from "../route.js";
import { strip } from "../strip.js";
import { ago } from "../time.js";
import { done, fail } from "../notices.js";
import { gone, undoText } from "../undo.js";

const METRICS = 50;
const FAMILIES = 50;
// The gateway writes these two itself; what they say stands at the top.
const TIMES = ["push_time_seconds", "push_failure_time_seconds"];

export const open = (main) => {
  let path;
  let data;
  let may = {};
  let language = "curl";
  const drawn = new Map();

  const head = h("div", { class: "group-head" });
  const families = h("section", { "aria-labelledby": "families-title" });
  const expected = h("section", { "aria-labelledby": "expected-title" });
  const history = h("section", { "aria-labelledby": "history-title" });
  const code = h("section", { "aria-labelledby": "code-title" });
  main.append(head, h("div", { class: "columns" }, h("div", {}, families), h("div", { class: "aside" }, expected, history, code)));

  /** Whether the reader may delete this group, and what it has, here. */
  const mayDelete = () => may.delete_group && data.rights.includes("delete");
  const mayPush = () => may.push && data.rights.includes("push");

  const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

  const drawHead = () => {
    const { families: shownBelow, next_cursor: next, ...facts } = data;
    show(head, [facts, mayDelete()], () => headContent());
  };

  const headContent = () => {
    const expires = data.expires_at && Date.parse(data.expires_at) / 1000;
    const states = data.states ?? [];
    const error = data.last_error;
    return [
      h("nav", { class: "crumbs", "aria-label": "Path" }, h("a", { href: href("groups"), data: { view: "groups" } }, "Groups"), " / "),
      h("div", { class: "title" },
        h("h1", {}, title(data.labels)),
        h("div", {},
          h("a", { class: "button", href: href("groups", { q: selector({ job: data.labels.job ?? "" }) }), data: { view: "groups" } }, "All of this job"),
          data.aggregation && mayDelete() && h("button", { type: "button", class: "danger", onclick: reset }, "Reset…"),
          mayDelete() && h("button", { type: "button", class: "danger", onclick: removeGroup }, "Delete group…"))),
      states.includes("failed") && h("p", { class: "problem", role: "status" },
        h("strong", {}, "The last push was refused "), ago(error?.time_seconds ?? data.push_failure_time_seconds),
        error && h("span", { class: "why" }, error.error),
        data.push_time_seconds > 0 && h("span", {}, "What stands below is from the last push that was accepted.")),
      states.includes("future") && h("p", { class: "problem", role: "status" },
        h("strong", {}, "In the future. "), "The gateway’s clock was ahead when this group was pushed, or has been set back. The next push corrects its time."),
      states.includes("overdue") && h("p", { class: "problem", role: "status" },
        h("strong", {}, "Overdue. "), "It was due ", ago(Date.parse(data.expectation.due) / 1000), " and has not come."),
      states.includes("stale") && !states.includes("overdue") && h("p", { class: "problem stale", role: "status" },
        h("strong", {}, "Late. "), `Usually it is pushed every ${duration(data.usual_interval_seconds)}.`),
      h("dl", { class: "facts" },
        fact("Last push", data.push_time_seconds > 0 ? [states.includes("future") ? h("span", { class: "failed" }, ago(data.push_time_seconds)) : ago(data.push_time_seconds), h("small", {}, exact(data.push_time_seconds))] : "never accepted"),
        error && !states.includes("failed") && fact("Last refused", ago(error.time_seconds), h("small", { title: error.error }, error.reason)),
        fact("Usually every", data.usual_interval_seconds ? duration(data.usual_interval_seconds) : h("span", { class: "faint" }, "not known yet")),
        data.aggregation && fact("Added up", plural(data.aggregation.pushes, "push", "pushes"), h("small", {}, `since ${exact(data.aggregation.since_seconds)}`)),
        fact("Expires", expires ? [ago(expires), h("small", {}, `${data.ttl} after each push`)] : h("span", { class: "faint" }, "never")),
        fact("Series", count(data.series), h("small", {}, plural(data.families_total, "family", "families"))),
        fact("Size", bytes(data.bytes))),
    ];
  };

  /** What is expected of the group, which need not be there. */
  const drawExpected = (one) => {
    expected.hidden = !one;
    show(expected, [one, Math.floor(Date.now() / 30_000)], () => one && [
      h("h2", { id: "expected-title" }, "Expected"),
      h("p", {}, how(one), one.from === "push" && h("small", {}, " as its pushes say")),
      h("p", {}, "Now: ", state(one)),
      one.due && h("p", {}, one.state === "waiting" ? "Next due " : "Due ", ago(Date.parse(one.due) / 1000), h("small", {}, ` ${exact(Date.parse(one.due) / 1000)}`)),
      h("div", { class: "large" }, timeline(one), h("div", { class: "times" }, h("span", {}, clock(Date.parse(one.past_since) / 1000)), h("span", {}, "now"))),
      legend(), calendar(one), list(one)]);
  };

  // Pushes become overdue while nothing else happens.
  const drawHistory = ({ pushes }) =>
    show(history, [data.path, pushes, data.stale_after_seconds, Math.floor(Date.now() / 30_000)], () => historyContent(pushes));

  const historyContent = (pushes) => {
    const compact = pushes.map((one) => [one.time_seconds, one.outcome === "ok" ? 1 : 0, one.body_bytes, one.series, one.duration_seconds]);
    const took = pushes.some((one) => one.duration_seconds !== null);
    return [
      h("h2", { id: "history-title" }, "Pushes"),
      h("div", { class: "large" }, strip(compact, { usual: data.usual_interval_seconds, staleAfter: data.stale_after_seconds }),
        pushes.length > 0 && h("div", { class: "times" }, h("span", {}, clock(pushes[0].time_seconds)), h("span", {}, "now"))),
      h("p", { class: "legend" },
        h("span", { class: "ok" }, took ? "accepted, height: time the job took" : "accepted, height: size of the push"),
        h("span", { class: "refused" }, "refused, below the line"), h("span", { class: "missed" }, "did not come")),
      h("div", { class: "scroll" }, table({
        label: "Pushes", className: "pushes", empty: "None is remembered.",
        head: [heading({}, "When"), heading({}, "Outcome"), heading({ class: "number" }, "Series"), heading({ class: "number" }, "Size"),
          took && heading({ class: "number" }, "Job took")].filter(Boolean),
        rows: pushes.toReversed().map((one) => row({ class: one.outcome },
          cell({}, ago(one.time_seconds)),
          cell({ title: one.method }, one.outcome === "ok" ? "accepted" : h("span", { class: "failed" }, `refused: ${one.reason}`)),
          cell({ class: "number" }, count(one.series)), cell({ class: "number" }, bytes(one.body_bytes)),
          took && cell({ class: "number" }, one.duration_seconds === null ? "" : duration(one.duration_seconds)))),
      })),
    ];
  };

  const drawCode = () => show(code, [data.path, data.labels, language, mayPush()], () => {
    const all = snippets(BASE.href, data.path, data.labels);
    const tabs = Object.keys(all).map((name) => h("button", {
      type: "button", role: "tab", "aria-selected": String(name === language), onclick: () => { language = name; drawCode(); },
    }, name));
    const block = (what, text) => h("div", { class: "code" }, h("h3", {}, what), h("pre", { tabindex: 0 }, text), copyButton(text, `${language}: ${what}`));
    return [h("h2", { id: "code-title" }, "From your code"),
      !mayPush() && h("p", { class: "faint" }, "Not with what you may do here: other credentials are needed, or the address for pushes."), h("div", { class: "tabs", role: "tablist" }, tabs),
      block("Push to this group", all[language].push), block("Delete it", all[language].delete)];
  });

  const removeGroup = async () => {
    const isWanted = await confirm({
      title: "Delete this group?", action: "Delete group",
      content: [h("p", {}, title(data.labels), h("br"), `${count(data.series)} series will be gone from the next scrape on.`), h("p", {}, undoText())],
    });
    if (!isWanted) return;
    const { path: target, labels } = data;
    await deleteGroup(target).then(({ undo }) => {
      go("groups");
      gone(plain(labels), [undo]);
    }, (error) => fail(error.message));
  };

  const reset = async () => {
    const isWanted = await confirm({
      title: "Reset this group?", action: "Reset group",
      content: [h("p", {}, title(data.labels), h("br"), "What it has added up begins from nothing. Its label sets stay, and so do gauges that keep their last value."),
        h("p", {}, "This cannot be undone.")],
    });
    if (!isWanted) return;
    const { path: target, labels } = data;
    await resetGroup(target).then(() => {
      refresh();
      done(`Reset ${plain(labels)}.`);
    }, (error) => fail(error.message));
  };

  const removeFamily = async (name) => {
    const isWanted = await confirm({
      title: "Delete this family?", action: "Delete family",
      content: [h("p", {}, h("code", {}, visible(name)), " will be gone from this group; its other families stay."), h("p", {}, undoText())],
    });
    if (!isWanted) return;
    const { path: target, labels } = data;
    await deleteGroup(target, name).then(({ undo }) => gone(`${visible(name)} of ${plain(labels)}`, [undo]), (error) => fail(error.message));
  };

  /** Labels that the group's own do not say already. */
  const ownLabels = (labels) => Object.fromEntries(Object.entries(labels).filter(([name, value]) => {
    const groups = Object.hasOwn(data.labels, name) ? data.labels[name] : name === "instance" ? "" : undefined;
    return groups !== value;
  }));

  const metricRow = (family, metric) => {
    const own = pairs(ownLabels(metric.labels));
    return row({},
      cell({ class: "labels" }, own.length > 0 ? own : h("span", { class: "faint" }, "no further labels")),
      cell({ class: "value" }, sample(family, metric), distribution(metric), exemplar(metric)));
  };

  /** The only metric of a family, if it has no further labels: what it says fits beside the family's name. */
  const loneMetric = ({ metrics, metrics_total: total }) => {
    const [metric] = metrics;
    return total === 1 && metric && Object.keys(ownLabels(metric.labels)).length === 0 ? metric : undefined;
  };

  const sample = (family, { value, count: observations, sum }) => {
    if (value === undefined) return h("span", { class: "sample" }, `count ${observations} · sum ${sum}`);
    const hint = meaning(family.name, value);
    return h("span", { class: "sample" }, hint && h("small", {}, hint), value);
  };

  const exemplar = (metric) => metric.exemplar
    && h("small", {}, "exemplar ", pairs(metric.exemplar.labels), `= ${metric.exemplar.value}`);

  const familySection = (family) => {
    const lone = loneMetric(family);
    const rows = h("tbody", { role: "rowgroup" }, family.metrics.map((metric) => metricRow(family, metric)));
    let shown = family.metrics.length;
    const more = h("button", {
      type: "button", class: "link",
      onclick: async () => {
        const next = await get(`groups/${data.path}`, { family: family.name, offset: shown, metrics: METRICS });
        const metrics = next.families[0]?.metrics ?? [];
        rows.append(...metrics.map((metric) => metricRow(family, metric)));
        shown += metrics.length;
        label();
      },
    });
    const label = () => {
      const left = family.metrics_total - shown;
      more.hidden = left <= 0;
      more.textContent = `${count(left)} more`;
    };
    label();
    const body = table({ label: family.name, className: "metrics", head: [], rows: [] });
    body.querySelector("tbody").replaceWith(rows);
    body.querySelector("thead").remove();
    return h("article", { class: "family", data: { family: family.name } },
      h("header", {},
        h("h3", {}, visible(family.name)), h("span", { class: "type" }, family.type),
        !lone && h("span", { class: "faint" }, plural(family.metrics_total, "metric")),
        mayDelete() && h("button", {
          type: "button", class: "link danger", "aria-label": `Delete family ${visible(family.name)}`, onclick: () => removeFamily(family.name),
        }, "Delete…"),
        lone && sample(family, lone)),
      family.help && h("p", { class: "help" }, visible(family.help)),
      lone ? [distribution(lone), exemplar(lone)] : [body, more]);
  };

  const drawFamilies = () => {
    const shown = data.families.filter(({ name }) => !TIMES.includes(name));
    const sections = shown.map((family) => {
      // A family that says the same keeps its element, and with it what the reader has unfolded or selected.
      const said = JSON.stringify([data.path, family, mayDelete()]);
      const before = drawn.get(family.name);
      if (before?.said === said) return before.section;
      const section = familySection(family);
      drawn.set(family.name, { said, section });
      return section;
    });
    none.hidden = sections.length > 0;
    next.hidden = !data.next_cursor;
    sync(families, [familiesTitle, ...sections, none, next]);
  };

  const familiesTitle = h("h2", { id: "families-title" }, "Metrics");
  const none = h("p", { class: "faint" }, "No family but the push times.");
  const next = h("button", {
    type: "button",
    onclick: async () => {
      const page = await get(`groups/${data.path}`, { metrics: METRICS, limit: FAMILIES, cursor: data.next_cursor });
      data = { ...page, families: [...data.families, ...page.families] };
      drawFamilies();
    },
  }, "More families");

  return async (parameters, signal) => {
    if (parameters.group !== path) drawn.clear();
    path = parameters.group ?? "";
    may = await access();
    let pushes;
    // Also of a group that is not there: it may never have come.
    const expecting = get("expectations", { group: path, past: PAST }, signal).then(({ expectations: [one] }) => one, () => undefined);
    try {
      [data, pushes] = await Promise.all([
        get(`groups/${path}`, { metrics: METRICS, limit: FAMILIES }, signal),
        get(`groups/${path}/history`, {}, signal).catch((error) => (error.status === 404 ? { pushes: [] } : Promise.reject(error))),
      ]);
    } catch (error) {
      if (error.status !== 404) throw error;
      documentTitle("No such group · Wharf");
      [history, code].forEach((section) => show(section, "gone", () => []));
      sync(families, []);
      drawn.clear();
      const one = await expecting;
      drawExpected(one);
      const why = one && !one.last_push ? "It is expected, and has never come. "
        : [one && ["It is expected, and came last ", ago(Date.parse(one.last_push) / 1000), ". "], "It may have been deleted, or its time to live may be over. "];
      show(head, ["gone", Boolean(one), one?.last_push], () => h("section", { class: "welcome" }, h("h1", {}, "This group does not exist, or not any more"),
        h("p", {}, why, h("a", { href: href("groups"), data: { view: "groups" } }, "All groups"))));
      return;
    }
    documentTitle(`${plain(data.labels)} · Wharf`);
    drawHead();
    drawExpected(await expecting);
    drawHistory(pushes);
    drawFamilies();
    drawCode();
  };
};
