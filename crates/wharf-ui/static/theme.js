// Light and dark: as the system has it, unless the reader chose; the choice is kept in this browser.

const ORDER = ["system", "light", "dark"];
const SIGNS = { system: "◐", light: "☀", dark: "☾" };
const KEY = "wharf-theme";

const stored = () => {
  try {
    return localStorage.getItem(KEY) ?? "system";
  } catch {
    // Browsers may refuse to keep anything; the choice then ends with the page.
    return document.documentElement.dataset.theme ?? "system";
  }
};

const apply = (theme) => {
  document.documentElement.dataset.theme = theme;
  document.querySelector("meta[name=color-scheme]").content = theme === "system" ? "light dark" : theme;
};

/** Puts the choice in force, and lets `button` go on to the next. */
export const start = (button) => {
  const show = (theme) => {
    apply(theme);
    button.textContent = SIGNS[theme];
    button.title = `Colours: ${theme}`;
    button.setAttribute("aria-label", `Colours: ${theme}`);
  };
  const chosen = stored();
  show(ORDER.includes(chosen) ? chosen : "system");
  button.addEventListener("click", () => {
    const next = ORDER[(ORDER.indexOf(document.documentElement.dataset.theme) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // As above.
    }
    show(next);
  });
};
