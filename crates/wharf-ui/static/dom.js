// Making elements. Text goes in as text nodes and nowhere else, so nothing that was pushed can become markup.

const SVG = "http://www.w3.org/2000/svg";

const fill = (element, properties, children) => {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    // The content policy forbids style attributes; setting properties one by one is allowed.
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
};

/** An HTML element: `h("a", { href, onclick }, "text", otherElement)`. Absent properties and children are left out. */
export const h = (name, properties = {}, ...children) => fill(document.createElement(name), properties, children);

/** An SVG element, likewise. */
export const svg = (name, properties = {}, ...children) => fill(document.createElementNS(SVG, name), properties, children);

/** Puts `children` in the place of everything in `element`. */
export const replace = (element, ...children) => {
  element.replaceChildren();
  fill(element, {}, children);
};

/**
 * Makes `children` the children of `parent`, and leaves those alone that stand where they should. What stays untouched
 * keeps the focus and the selection, and a click that began before ends where it began.
 */
export const sync = (parent, children) => {
  const kept = new Set(children);
  for (const child of [...parent.childNodes]) if (!kept.has(child)) child.remove();
  children.forEach((child, at) => {
    if (parent.childNodes[at] !== child) parent.insertBefore(child, parent.childNodes[at] ?? null);
  });
};

const filled = new WeakMap();

/** Fills `element` with what `make` returns, unless it has been filled from the same `facts` before. */
export const show = (element, facts, make) => {
  const said = JSON.stringify(facts);
  if (filled.get(element) === said) return;
  filled.set(element, said);
  replace(element, make());
};

/** A table with explicit roles: on narrow screens rows are laid out as cards, and would lose those they have. */
export const table = ({ label, head, rows, className = "", empty = "" }) => {
  const body = h("tbody", { role: "rowgroup" }, rows);
  if (rows.length === 0 && empty) body.append(row({ class: "none" }, cell({ colspan: head.length }, empty)));
  return h("table", { class: className, role: "table", "aria-label": label },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)), body);
};
export const heading = (properties, ...children) => h("th", { role: "columnheader", scope: "col", ...properties }, ...children);
export const row = (properties, ...cells) => h("tr", { role: "row", ...properties }, ...cells);
export const cell = (properties, ...children) => h("td", { role: "cell", ...properties }, ...children);

/** Says something to screen readers without showing it. */
export const announce = (text) => {
  document.getElementById("announcement").textContent = text;
};
