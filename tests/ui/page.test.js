// The pure parts of the live page, and of what it shares with the report.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { binned, shareOfVariance } from "../../legm/report/page/importance.js";
import { sortedAndFiltered } from "../../legm/report/page/sorted_table.js";
import { tableText } from "../../legm/report/page/table_texts.js";
import { moved, short } from "../../legm/report/page/values.js";
import { rowsBetween } from "../../legm/report/page/virtual_rows.js";
import { experimentAddress, runAddress } from "../../legm/ui/page/addresses.js";
import { kindOfLine } from "../../legm/ui/page/patch_lines.js";
import { queryOf } from "../../legm/ui/page/server.js";

test("the rows in view are drawn with some around them, and the space of the others is kept", () => {
  const heights = Array.from({ length: 10000 }, (_, i) => (i === 3 ? 500 : 40));
  const whole = heights.reduce((sum, height) => sum + height, 0);
  for (const top of [0, 39, 40, 700, 200000, whole - 600]) {
    const { first, end, above, below } = rowsBetween(heights, top, top + 600, 2);
    const drawn = heights.slice(first, end).reduce((sum, height) => sum + height, 0);
    assert.equal(above + drawn + below, whole);
    assert.ok(above <= top && above + drawn >= Math.min(top + 600, whole));
    assert.ok(end - first <= 600 / 40 + 2 * 2 + 2);
  }
});

test("a table that is scrolled below its end, or has no row, is not drawn wrongly", () => {
  const { first, end, below } = rowsBetween([40, 40, 40], 5000, 5600);
  assert.deepEqual([first, end, below], [0, 3, 0]);
  assert.deepEqual(rowsBetween([], 0, 600), { first: 0, end: 0, above: 0, below: 0 });
});

test("a column is moved within its list, and no further", () => {
  assert.deepEqual(moved(["a", "b", "c"], 0, 1), ["b", "a", "c"]);
  assert.deepEqual(moved(["a", "b", "c"], 2, 0), ["c", "a", "b"]);
  assert.deepEqual(moved(["a", "b", "c"], 0, 9), ["b", "c", "a"]);
  assert.deepEqual(moved(["a", "b", "c"], 0, -1), ["a", "b", "c"]);
});

test("addresses have names of any letters", () => {
  const address = runAddress({ experiment: "a&b #=", fingerprint: "v1-0", id: "r%" });
  const read = new URLSearchParams(address.slice(1));
  assert.deepEqual([read.get("experiment"), read.get("of"), read.get("run")], ["a&b #=", "v1-0", "r%"]);
  assert.equal(new URLSearchParams(experimentAddress("ä+").slice(1)).get("experiment"), "ä+");
  assert.equal(String(queryOf({ by: ["x", "y z"] })), "by=x&by=y+z");
});

test("a table is filtered by every word, and numbers are sorted by value", () => {
  const rows = [
    ["lr", "10"],
    ["LR.decay", "9"],
    ["momentum", "0.9"],
  ];
  assert.deepEqual(
    sortedAndFiltered(rows, { column: 1 }).map((row) => row[1]),
    ["0.9", "9", "10"],
  );
  assert.deepEqual(sortedAndFiltered(rows, { column: 1, reversed: true })[0], ["lr", "10"]);
  assert.deepEqual(sortedAndFiltered(rows, { search: "lr 9" }), [["LR.decay", "9"]]);
  assert.equal(rows[0][0], "lr"); // the order of the table's own rows stays
});

test("the cells of a column are sorted as numbers, whichever minus they have, and what is no number comes last", () => {
  const sorted = (cells, reversed = false) =>
    sortedAndFiltered(
      cells.map((one) => [one]),
      { column: 0, reversed },
    ).map(([one]) => one);
  const numbers = [-Infinity, -12, -3, -2e-9, 0, 1e-7, 0.5, 2, 1e8, Infinity];
  const mixed = [6, 3, 9, 0, 5, 1, 8, 2, 7, 4].map((i) => numbers[i]);
  const python = (number) => String(number).replace("Infinity", "inf");
  for (const written of [(number) => number, String, short, python]) {
    const [shown, nothing] = [mixed.map(written), [written(Number.NaN), "–"]];
    assert.deepEqual(sorted([...nothing, ...shown]), [...numbers.map(written), ...nothing]);
    assert.deepEqual(sorted([...nothing, ...shown], true), [
      ...numbers.toReversed().map(written),
      ...nothing,
    ]);
  }
  assert.deepEqual(sorted([null, "adam", "10", "-9", ""]), ["-9", "10", "adam", null, ""]);
});

test("versions are sorted part by part, and decimals by value", () => {
  const sorted = (cells, reversed = false) =>
    sortedAndFiltered(
      cells.map((one) => [one]),
      { column: 0, reversed },
    ).map(([one]) => one);
  for (const versions of [
    ["2.1", "3.9", "3.10"],
    ["v0.9", "v0.10", "v1.0"],
    ['"3.9"', '"3.10"', '"3.11.2"'], // texts of a parameter
    ["0.13.0rc1", "0.13.0", "2.1", "2.10", "2024.1.post1"],
    ["3", "3.9", "3.9.18+cpu", "3.10"],
  ]) {
    assert.deepEqual(sorted(["–", ...versions.toReversed()]), [...versions, "–"]);
    assert.deepEqual(sorted([...versions, null], true), [...versions.toReversed(), null]);
  }
  for (const numbers of [
    ["0.10", "0.25", "0.90"], // with equally many decimals
    ["0.25", "1.0", "2.5"],
    ["1e-05", "0.001", "0.5", "10"],
    [0.1, 0.25, 3, 10],
    ["adam 3.10", "adam 3.9"], // as in names
  ])
    assert.deepEqual(sorted(numbers.toReversed()), numbers);
});

test("a filter finds a negative number, whichever minus it is typed with", () => {
  const rows = [
    ["loss", -3.5],
    ["loss", 3.5],
    ["shift", "-7"],
  ];
  assert.deepEqual(sortedAndFiltered(rows, { search: "-3.5" }), [rows[0]]);
  assert.deepEqual(sortedAndFiltered(rows, { search: "−3.5" }), [rows[0]]);
  assert.deepEqual(sortedAndFiltered(rows, { search: "−7" }), [rows[2]]);
});

test("tables are written as the command line writes them", () => {
  const cases = JSON.parse(readFileSync(new URL("../support/table_texts.json", import.meta.url), "utf8"));
  for (const { table, ...texts } of cases) {
    for (const [format, text] of Object.entries(texts)) assert.equal(tableText(format, table), text);
  }
});

test("exact numbers are written so that Python reads them, and nothing where there is none", () => {
  const rows = [
    [0.1 + 0.2, Number.NaN],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    [undefined, null],
  ];
  assert.equal(
    tableText("csv", { headers: ["x", "y"], rows }),
    "x,y\n0.30000000000000004,nan\ninf,-inf\n,\n",
  );
});

test("the lines of a patch are told by how they begin", () => {
  const kinds = ["diff --git a b", "--- a/x", "+++ b/x", "@@ -1 +1 @@", "-old", "+new", " same"].map(
    kindOfLine,
  );
  assert.deepEqual(kinds, ["file", "file", "file", "hunk", "removed", "added", null]);
});

test("the share of the variance is 1 of what a parameter decides, and none of what it does not", () => {
  const values = [1, 1, 1, 2, 2, 2];
  assert.equal(shareOfVariance(values, ["a", "a", "a", "b", "b", "b"]), 1);
  assert.equal(shareOfVariance(values, ["a", "b", "a", "b", "a", "b"]), 0);
  // By hand: within 2/4 and between 2 groups: total 5.5, within 4, so 1 - (4/4) * (5/5.5)
  assert.ok(
    Math.abs(shareOfVariance([0, 1, 2, 1, 2, 3], ["a", "a", "a", "b", "b", "b"]) - (1 - 5 / 5.5)) < 1e-12,
  );
  assert.ok(Number.isNaN(shareOfVariance([1, 2], ["a", "b"])));
  assert.ok(Number.isNaN(shareOfVariance([1, 1, 1], ["a", "a", "b"])));
});

test("many numbers are put into five ranges, few stay as they are", () => {
  assert.deepEqual(binned([1, 2, null]), ["1", "2", "null"]);
  const ranges = binned(Array.from({ length: 100 }, (_, i) => i));
  assert.equal(new Set(ranges).size, 5);
  assert.equal(ranges.filter((one) => one === ranges[0]).length, 20);
});
