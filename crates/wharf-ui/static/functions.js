// Starts the page: which view is shown, and what keeps it true. The file's name is that of the original's script.

import * as clock from "./clock.js";
import { h, replace } from "./dom.js";
import { exact } from "./format.js";
import * as keys from "./keys.js";
import * as live from "./live.js";
import * as problems from "./problems.js";
import * as route from "./route.js";
import * as theme from "./theme.js";
import * as time from "./time.js";
import * as expected from "./views/expected.js";
import * as group from "./views/group.js";
import * as groups from "./views/groups.js";
import * as metrics from "./views/metrics.js";
import * as status from "./views/status.js";

// A view's `open` fills the page and returns what shows it for some parameters, now and after each change.
const VIEWS = { groups, group, expected, metrics, status };
const TABS = [["groups", "Groups"], ["expected", "Expected"], ["metrics", "Metrics"], ["status", "Status"]];

const main = document.getElementById("main");
const tabs = TABS.map(([view, text]) => h("a", { href: route.href(view), data: { view } }, text));
const tabOfExpected = tabs.find((tab) => tab.dataset.view === "expected");
tabOfExpected.hidden = true;
const lookAtExpected = expected.watch(tabOfExpected);
// A gateway that is starting or busy is another one soon.
const RETRY_MS = 5000;

let shown;
let under;
let retry;

/** Shows what the URL names. Whatever was being loaded before is given up. */
const show = async () => {
  const { view, parameters } = route.current();
  clearTimeout(retry);
  under?.abort();
  under = new AbortController();
  const { signal } = under;
  if (shown?.view !== view) {
    const isFirst = shown === undefined;
    tabs.forEach((tab) => {
      const isCurrent = tab.dataset.view === (view === "group" ? "groups" : view);
      if (isCurrent) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    });
    replace(main);
    shown = { view, update: VIEWS[view].open(main) };
    // A reader with a screen reader hears that the content is another one.
    if (!isFirst) main.focus({ preventScroll: true });
  }
  const banner = document.getElementById("problem");
  try {
    await shown.update(parameters, signal);
    banner?.remove();
    reached();
    following.go();
    lookAtExpected();
    await problems.update(signal).catch(() => {});
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    // Who was turned away stays so; asking again would bring up the browser's question for a password again and again.
    const isFinal = error.status === 401 || error.status === 403;
    if (isFinal) following.rest();
    else retry = setTimeout(show, RETRY_MS);
    // Who is told that groups are still being loaded, or that too much is going on, may be told what is wrong.
    if (error.status === 0) lost();
    else reached();
    if (!isFinal && error.status !== 0) problems.update(signal).catch(() => {});
    const next = isFinal ? "Reload the page to try again." : "Trying again…";
    const last = error.status === 0 && seen ? ` What stands below is from ${exact(seen)}.` : "";
    const problem = h("p", { id: "problem", class: "problem", role: "alert" }, error.message, "\n", h("small", {}, next, last));
    if (banner) banner.replaceWith(problem);
    else main.prepend(problem);
    if (error.status === undefined) throw error;
  }
};

const WORDS = {
  live: "Live: changes appear by themselves",
  polling: "No live connection: asking every ten seconds",
  paused: "Paused while nobody looks",
  off: "Nothing to follow: what the page asked for was refused",
  down: "The gateway does not answer: what stands here is old",
};

// When the gateway answered last, in seconds since the epoch.
let seen;
let state = "polling";
let isDown = false;

const showState = () => {
  const element = document.getElementById("live");
  const shownState = isDown ? "down" : state;
  element.dataset.state = shownState;
  element.title = WORDS[shownState];
  if (element.textContent !== shownState) element.textContent = shownState;
  document.body.classList.toggle("down", isDown);
};

const reached = () => {
  seen = clock.now();
  isDown = false;
  showState();
};

/** The gateway does not answer. What it said last stays, and is marked as old. */
const lost = () => {
  isDown = true;
  showState();
};

document.getElementById("brand").setAttribute("href", route.href("groups"));
document.getElementById("brand").dataset.view = "groups";
document.getElementById("views").append(...tabs);
document.getElementById("help").addEventListener("click", keys.help);
theme.start(document.getElementById("theme"));
time.start();
keys.start((view) => route.go(view));
route.follow();
route.onChange(show);
const following = live.follow(show, (now) => {
  state = now;
  showState();
});
show();
