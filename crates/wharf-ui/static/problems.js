// What is wrong with the gateway itself: above every view, and the worst of it in the document's title.

import { get } from "./api.js";
import * as clock from "./clock.js";
import { h, sync } from "./dom.js";
import { visible, visibleLines } from "./format.js";

// The gateway has a few; more than that nobody reads.
const MOST = 8;

const place = document.getElementById("problems");
let known = [];
let view = "";
let shown = new Map();

const draw = () => {
  const worst = known.find(({ severity }) => severity === "critical");
  document.title = worst ? `${visible(worst.summary).replace(/\.$/, "")} · ${view}` : view;
};

/** Says what the page is about; the title begins with what is badly wrong. */
export const title = (text) => {
  view = text;
  draw();
};

const line = ({ severity, summary, detail }) => {
  const isCritical = severity === "critical";
  return h("p", { class: isCritical ? "problem" : "problem stale", role: isCritical ? "alert" : "status" },
    h("strong", {}, visible(summary)), detail && ` ${visibleLines(detail)}`);
};

/** Asks what is wrong. What is still wrong keeps its element, so that nothing flickers, or is read aloud again. */
export const update = async (signal) => {
  const { problems = [], now_seconds: now } = await get("status", {}, signal);
  if (now) clock.set(now);
  known = problems.slice(0, MOST);
  shown = new Map(known.map((problem) => {
    const said = JSON.stringify(problem);
    return [said, shown.get(said) ?? line(problem)];
  }));
  sync(place, [...shown.values()]);
  draw();
};
