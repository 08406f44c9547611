// The heartbeat of a group: its last pushes as bars, one slot for each push that came or should have come.
//
// Bars of accepted pushes stand on the line, as high as the job took or as the push was large; refused pushes hang below
// it, so that they differ not by colour alone. Pushes that the group's habit lets expect and that did not come leave an
// empty slot with a dot, and after the last push a hollow one.

import * as gateway from "./clock.js";
import { h, svg } from "./dom.js";
import { bytes, clock, count, duration, exact, relative } from "./format.js";

/** Slots in a strip; also the most that the gateway remembers. */
const SLOTS = 60;
// More pauses than this in one gap say nothing new.
const MOST_GAP = 12;
const SLOT = 4;
const BAR = 3;
const LINE = 18;
const HEIGHT = 26;

/** A push of the compact form `[time, ok, bytes, series, duration]` as an object. */
const push = ([time, ok, body, series, took]) => ({ time, isOk: ok === 1, body, series, took });

// Pushes within so many seconds of the first of them are one burst, as the gateway has it.
const BURST_S = 10;

/** Whether pushes come at a steady pace: then one that is missing is a gap, otherwise there is just a pause. */
const isSteady = (pushes, usual) => {
  const bursts = [];
  for (const { time, isOk } of pushes) if (isOk && !(time - bursts.at(-1) < BURST_S)) bursts.push(time);
  const pauses = bursts.slice(1).map((time, at) => time - bursts[at]);
  const near = pauses.filter((pause) => pause > usual / 2 && pause < usual * 2);
  return near.length >= 2 && near.length >= pauses.length * 0.7;
};

/** The slots of a group, oldest first: a push, `"gap"`, or `"missed"` after the last push. */
const slots = (history, { usual, staleAfter }, now) => {
  const pushes = history.map(push);
  const steady = usual > 0 && isSteady(pushes, usual);
  const missing = (pause) => (steady ? Math.min(MOST_GAP, Math.round(pause / usual) - 1) : 0);
  const found = [];
  pushes.forEach((one, at) => {
    const before = pushes[at - 1];
    for (let left = before ? missing(one.time - before.time) : 0; left > 0; left -= 1) found.push("gap");
    found.push(one);
  });
  const pause = now - pushes.at(-1).time;
  const late = staleAfter > 0 && pause > staleAfter ? Math.max(1, Math.min(MOST_GAP, Math.floor(pause / usual))) : 0;
  for (let left = late; left > 0; left -= 1) found.push("missed");
  return found.slice(-SLOTS);
};

const describe = (one) => [
  `${exact(one.time)}, ${relative(one.time)}`,
  one.isOk ? "accepted" : "refused",
  `${count(one.series)} series, ${bytes(one.body)}`,
  one.took !== null && one.took !== undefined ? `the job took ${duration(one.took)}` : "",
].filter(Boolean).join("\n");

/**
 * The strip of a group. `history` is the field of the same name, `pace` the usual pause between pushes and the one from
 * which on a push is missed, in seconds or null.
 */
export const strip = (history, pace, now = gateway.now()) => {
  if (!history || history.length === 0) return h("span", { class: "faint" }, "no history");
  const all = slots(history, pace, now);
  const pushes = all.filter((slot) => typeof slot === "object");
  const byDuration = pushes.some((one) => one.took > 0);
  const size = (one) => (byDuration ? one.took ?? 0 : one.body);
  const largest = Math.max(...pushes.map(size), Number.MIN_VALUE);
  const paths = { ok: "", refused: "", gap: "", missed: "" };
  const box = (x, y, width, height) => `M${x} ${y}h${width}v${height}h${-width}z`;
  all.forEach((slot, at) => {
    const x = (SLOTS - all.length + at) * SLOT;
    if (slot === "gap") paths.gap += box(x + 1, LINE - 1, 1, 1);
    else if (slot === "missed") paths.missed += box(x + 0.5, 4.5, BAR - 1, LINE - 5);
    else if (slot.isOk) {
      const height = Math.max(3, Math.round((LINE - 1) * (size(slot) / largest)));
      paths.ok += box(x, LINE - height, BAR, height);
    } else paths.refused += box(x, LINE + 1, BAR, HEIGHT - LINE - 1);
  });
  const refused = pushes.filter((one) => !one.isOk).length;
  const late = all.filter((slot) => slot === "missed").length;
  const since = pushes[0] ? `since ${clock(pushes[0].time)}` : "";
  const label = [`${pushes.length} pushes ${since}`, refused && `${refused} refused`, late && `${late} missed by now`]
    .filter(Boolean).join(", ");
  const picture = svg("svg", {
    class: "strip", viewBox: `0 0 ${SLOTS * SLOT} ${HEIGHT}`, role: "img", "aria-label": label, preserveAspectRatio: "none",
  },
  svg("path", { class: "line", d: `M0 ${LINE + 0.5}h${SLOTS * SLOT}` }),
  Object.entries(paths).map(([name, d]) => d && svg("path", { class: name, d })));
  // One listener for all bars: a table has thousands of them.
  picture.addEventListener("pointermove", (event) => {
    const area = picture.getBoundingClientRect();
    const slot = all[Math.floor(((event.clientX - area.left) / area.width) * SLOTS) - (SLOTS - all.length)];
    if (slot === undefined) wrapper.title = label;
    else wrapper.title = typeof slot === "object" ? describe(slot) : "no push when one was due";
  });
  const wrapper = h("span", { class: "strip-box", title: label }, picture);
  return wrapper;
};
