// Pictures of numbers: lines over time, and bars for distributions.

import { h, svg } from "./dom.js";
import { clock, compact, count, significant } from "./format.js";

const WIDTH = 600;
const HEIGHT = 100;
// More bars than this cannot be told apart.
const MOST_BARS = 160;

/** The next round number that is no less: 1, 2 or 5 times a power of ten; of bytes, within their unit. */
const ceiling = (value, areBytes) => {
  if (!(value > 0)) return 1;
  const unit = areBytes && value >= 1 ? 1024 ** Math.floor(Math.log2(value) / 10) : 1;
  const power = 10 ** Math.floor(Math.log10(value / unit));
  return unit * [1, 2, 5, 10].map((factor) => factor * power).find((round) => round >= (value / unit) * 0.999);
};

/**
 * Values over time. `points` are `[seconds, value or null]` in order; `also` a second line, for what went wrong.
 * `format` writes a value; `from` and `to` are the ends of the time axis, and `now` is said until a reader
 * points somewhere.
 */
export const timeChart = ({ title, points, also = [], alsoTitle = "", format = significant, areBytes = false, from, to, now }) => {
  const values = [...points, ...also].map(([, value]) => value).filter((value) => value !== null);
  const top = ceiling(Math.max(0, ...values) * 1.1, areBytes);
  const x = (seconds) => ((seconds - from) / (to - from)) * WIDTH;
  const y = (value) => HEIGHT - (value / top) * HEIGHT;
  // A null interrupts the line.
  const runs = (line) => line.reduce((found, [seconds, value]) => {
    if (value === null) return [...found, []];
    found.at(-1).push(`${x(seconds).toFixed(1)} ${y(value).toFixed(1)}`);
    return found;
  }, [[]]).filter((run) => run.length > 0);
  const path = (run) => (run.length > 1 ? `M${run.join("L")}` : `M${run[0]}h1`);
  const area = (run) => `${path(run)}V${HEIGHT}H${run[0].split(" ")[0]}z`;
  const lines = runs(points);
  const cursor = svg("path", { class: "cursor" });
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { class: "grid", d: `M0 0H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT}H${WIDTH}` }),
    lines.map((run) => svg("path", { class: "area", d: area(run) })),
    lines.map((run) => svg("path", { class: "curve", d: path(run) })),
    also.some(([, value]) => value > 0) && runs(also).map((run) => svg("path", { class: "curve also", d: path(run) })),
    cursor);
  const present = points.filter(([, value]) => value !== null);
  const most = Math.max(0, ...present.map(([, value]) => value));
  const readout = h("span", { class: "readout" }, now);
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const seconds = from + ((event.clientX - box.left) / box.width) * (to - from);
    const nearest = (line) => line.reduce((best, point) =>
      (!best || Math.abs(point[0] - seconds) < Math.abs(best[0] - seconds) ? point : best), undefined);
    const point = nearest(present);
    if (!point) return;
    cursor.setAttribute("d", `M${x(point[0])} 0V${HEIGHT}`);
    const other = nearest(also)?.[1];
    const second = other ? `, ${alsoTitle} ${format(other)}` : "";
    readout.textContent = `${clock(point[0])}: ${format(point[1])}${second}`;
  });
  picture.addEventListener("pointerleave", () => {
    cursor.setAttribute("d", "");
    readout.textContent = now;
  });
  return h("figure", { class: "chart" },
    h("figcaption", {}, h("span", {}, title), readout),
    h("div", { class: "plot", role: "img", "aria-label": `${title}: ${now}, at most ${format(most)}` },
      h("span", { class: "scale" }, h("span", {}, format(top)), h("span", {}, "0")), picture),
    h("div", { class: "times" }, h("span", {}, clock(from)), h("span", {}, clock(to))));
};

/** Bars side by side. `items` have a `label`, a `value`, and a `title` that says all. */
const bars = (label, items) => {
  const shown = items.slice(0, MOST_BARS);
  const finite = shown.map(({ value }) => value).filter(Number.isFinite);
  const top = Math.max(0, ...finite) || 1;
  const width = Math.min(48, 480 / shown.length);
  const labels = Math.max(1, Math.ceil(shown.length / 8));
  const odd = shown.filter(({ value }) => !Number.isFinite(value)).map(({ title }) => title);
  return h("figure", { class: "bars", role: "img", "aria-label": [label, ...odd].join(", ") },
    svg("svg", { viewBox: `0 0 ${width * shown.length} 84`, width: width * shown.length, height: 84, "aria-hidden": "true" },
      shown.map(({ value, title, label: text }, at) => {
        const height = Number.isFinite(value) && value > 0 ? Math.max(1.5, (value / top) * 64) : 0;
        const isLabelled = at % labels === 0;
        // No bar is a value of nothing; what is no number, or endless, is written.
        const odd = !Number.isFinite(value) && String(value).replace("Infinity", "∞");
        return svg("g", {},
          svg("title", {}, title),
          svg("rect", { class: "hover", x: at * width, y: 0, width, height: 66 }),
          svg("rect", { class: "bar", x: at * width + width * 0.08, y: 66 - height, width: width * 0.84, height }),
          odd && svg("text", { class: "odd", x: (at + 0.5) * width, y: 62 }, odd),
          isLabelled && svg("text", { x: (at + 0.5) * width, y: 79 }, text));
      }),
      svg("path", { class: "line", d: `M0 66.5H${width * shown.length}` })),
    items.length > shown.length && h("figcaption", {}, `${count(items.length - shown.length)} more buckets are not shown`));
};

const short = (text) => (Number.isFinite(Number(text)) ? compact(Number(text)) : text.replace("+Inf", "∞"));

const classic = (buckets) => buckets.map(([bound, cumulative], at) => {
  const [lower, before] = at > 0 ? buckets[at - 1] : ["-Inf", "0"];
  const value = Number(cumulative) - Number(before);
  return { label: `≤${short(bound)}`, value, title: `${lower} < value ≤ ${bound}: ${significant(value)}` };
});

// Which ends of a native bucket belong to it: 0 the upper, 1 the lower, 2 neither, 3 both.
const SIGNS = [["<", "≤"], ["≤", "<"], ["<", "<"], ["≤", "≤"]];
const native = (buckets) => buckets.map(([boundaries, lower, upper, held]) => {
  const [left, right] = SIGNS[boundaries] ?? SIGNS[0];
  return { label: short(upper), value: Number(held), title: `${lower} ${left} value ${right} ${upper}: ${held}` };
});

/** A number as the API writes it: also `NaN`, `+Inf` and `-Inf`. */
const parse = (text) => Number(text.replace("Inf", "Infinity"));

const quantiles = (pairs) => pairs.map(([quantile, value]) => ({
  label: `p${short(String(Number(quantile) * 100))}`, value: parse(value), title: `quantile ${quantile}: ${value}`,
}));

/** The picture of a summary or histogram, classic or native; nothing for other metrics, and for empty ones. */
export const distribution = (metric) => {
  if (metric.native?.buckets.length > 0) return bars("native histogram, observations per bucket", native(metric.native.buckets));
  if (metric.buckets?.length > 0) return bars("histogram, observations per bucket", classic(metric.buckets));
  if (metric.quantiles?.length > 0) return bars("summary, value of each quantile", quantiles(metric.quantiles));
  return undefined;
};
