// The theme: the user's, of the address, or the system's.

import { isDark, state } from "./state.js";
import { byId } from "./values.js";

const THEMES = ["light", "dark"];
const THEME_KEY = "legm-theme"; // under which the browser keeps it

/**
 * The theme that the page begins with: the address's, or else what the user has chosen on a page before.
 * @param {string | null} ofAddress
 */
export function themeAtFirst(ofAddress) {
  return [ofAddress, keptTheme()].find((one) => THEMES.includes(one ?? "")) ?? "auto";
}

function keptTheme() {
  try {
    return isFromFile() ? null : localStorage.getItem(THEME_KEY);
  } catch {
    return null; // a browser may keep nothing
  }
}

/** Whether the page is opened from a file: it would share what a browser keeps with the pages of all other files. */
function isFromFile() {
  return location.protocol === "file:";
}

/** Change to the other theme, for this page and later ones. */
export function turnTheme() {
  state.theme = isDark() ? "light" : "dark";
  state.isThemeChosen = true;
  try {
    if (!isFromFile()) localStorage.setItem(THEME_KEY, state.theme);
  } catch {
    // A browser may keep nothing; the address has it.
  }
}

export function renderTheme() {
  document.documentElement.dataset.theme = state.theme === "auto" ? "" : state.theme;
  const button = byId("theme");
  button.textContent = isDark() ? "☀ Light" : "☾ Dark";
  button.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
}
