// Where the reader is: the view and its parameters, all in the URL, so that a link or a reload shows the same.

/** The gateway's own URL, behind whatever proxy: modules know where they came from. */
export const BASE = new URL("../", import.meta.url);

const VIEWS = ["groups", "group", "expected", "metrics", "status"];
const listeners = [];

/** The view and parameters of the current URL. */
export const current = () => {
  const parameters = Object.fromEntries(new URLSearchParams(location.search));
  const { view = location.pathname.endsWith("/status") ? "status" : "groups", ...rest } = parameters;
  return { view: VIEWS.includes(view) ? view : "groups", parameters: rest };
};

/** The URL of a view. Empty parameters are left out. */
export const href = (view, parameters = {}) => {
  const filled = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  const named = view === "groups" || view === "status" ? filled : [["view", view], ...filled];
  const query = new URLSearchParams(named).toString();
  const path = new URL(view === "status" ? "status" : "./", BASE).pathname;
  return query ? `${path}?${query}` : path;
};

/** Goes to a view, as a new entry of the browser's history or in place of this one. */
export const go = (view, parameters = {}, { replacing = false } = {}) => {
  const url = href(view, parameters);
  if (url === location.pathname + location.search) return;
  if (replacing) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  changed();
};

/** Calls `listener` after every change. */
export const onChange = (listener) => listeners.push(listener);

/** Shows the same once more: something has changed. */
export const refresh = () => changed();

const changed = () => listeners.forEach((listener) => listener(current()));

/** Lets links of the page change the view without loading it again, except where the reader wants another tab. */
export const follow = () => {
  addEventListener("popstate", changed);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-view]");
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (link.href !== location.href) history.pushState(null, "", link.href);
    changed();
    scrollTo(0, 0);
  });
};
