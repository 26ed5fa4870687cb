// The first view: a card for each experiment.

import { experimentAddress, runAddress } from "./addresses.js";
import { mark, STATUSES } from "./controls.js";
import { liveState } from "./live_state.js";
import {
  breakable,
  byId,
  byText,
  counted,
  cut,
  decimalsOf,
  decoded,
  element,
  fill,
  meanAndSpread,
  moment,
} from "./values.js";

/** Show the cards. */
export function renderOverview() {
  const { cards } = liveState;
  byId("overview-empty").hidden = cards.length > 0;
  fill(
    byId("overview-empty"),
    element("p", {}, "There is no experiment here yet."),
    element(
      "p",
      { class: "faint" },
      "Runs appear by themselves once a training calls start(): this page shows the root directory that ",
      "legm ui was started with, so a handler has to have the same one.",
    ),
  );
  fill(byId("cards"), ...[...cards].sort(newestFirst).map(experimentCard));
}

/** @param {Card} a @param {Card} b */
function newestFirst(a, b) {
  return running(b) - running(a) || (b.last ?? 0) - (a.last ?? 0) || byText(a.name, b.name);
}

/** @param {Card} card */
function running(card) {
  return Math.max(
    card.counts.running,
    [...liveState.runs.values()].filter((run) => run.status === "running" && run.experiment === card.name)
      .length,
  );
}

/** @param {Card} card */
function experimentCard(card) {
  const address = experimentAddress(card.name);
  /** @type {Record<string, number>} */
  const counts = { ...card.counts, running: running(card) };
  return element(
    "li",
    { class: "card", "data-experiment": card.name },
    element("a", { class: "name", href: address, title: card.name }, breakable(cut(card.name, 80))),
    element("p", { class: "faint" }, counted(card.configurations, "configuration")),
    bestOfCard(card),
    element(
      "ul",
      { class: "statuses", "aria-label": "Runs" },
      ...Object.keys(STATUSES)
        .filter((status) => counts[status])
        .map((status) =>
          element(
            "li",
            { class: `status ${status}` },
            mark(status),
            `${counts[status].toLocaleString("en")} ${status}`,
          ),
        ),
    ),
    failedLately(card),
    element("p", { class: "faint" }, card.last === null ? "no run yet" : `last run ${moment(card.last)}`),
  );
}

/** @param {Card} card */
function failedLately(card) {
  if (!card.failed.length) return null;
  const items = card.failed.map((run) =>
    element(
      "li",
      {},
      element(
        "a",
        { href: runAddress({ experiment: card.name, ...run }), title: run.name },
        cut(run.name, 40),
      ),
      element("span", { class: "faint" }, ` ${moment(run.ended)} `),
      element("span", { class: "why" }, cut(run.error, 90)),
    ),
  );
  return element(
    "div",
    { class: "failed-lately" },
    element("h3", {}, "Failed lately"),
    element("ul", {}, ...items),
  );
}

/** @param {Card} card */
function bestOfCard(card) {
  if (!card.best) return element("p", { class: "best faint" }, "No completed run has a value yet.");
  const [mean, std, n] = decoded(card.best.value);
  const [center, spread] = meanAndSpread(mean, std, decimalsOf([mean], [std]));
  return element(
    "p",
    { class: "best" },
    element("span", { class: "faint" }, `${card.best.metric} `),
    element("strong", {}, n > 1 ? `${center} ± ${spread}` : center),
    element("span", { class: "of", title: card.best.name }, ` ${cut(card.best.name, 60)}`),
  );
}
