// The pure parts of the page: what is decoded, ordered, shortened and formatted.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Experiment } from "../../legm/report/page/content.js";
import { begin, filtered, installReport, ranked, sortedBy, state } from "../../legm/report/page/state.js";
import {
  byText,
  cut,
  decimalsOf,
  decoded,
  distinct,
  duration,
  fixed,
  meanAndSpread,
  short,
} from "../../legm/report/page/values.js";

function encoded(code, numbers) {
  return `${code}:${Buffer.from(numbers.buffer).toString("base64")}`;
}

test("numbers are decoded exactly, NaN and infinities too", () => {
  const numbers = Float64Array.of(0.1, -0, Number.NaN, Number.POSITIVE_INFINITY, 5e-324);
  assert.deepEqual(decoded(encoded("f8", numbers)), numbers);
  assert.deepEqual(decoded(encoded("u1", Uint8Array.of(0, 255))), Uint8Array.of(0, 255));
});

test("numbers are written as in the command line", () => {
  assert.equal(short(0.123456), "0.1235");
  assert.equal(short(-12), "-12");
  assert.equal(short(1e-7), "1e-07");
  assert.equal(short(Number.NaN), "NaN");
  for (const number of [-3.384e-7, -0.2512]) // as tests/cli/test_answers.py has them from commands
    assert.deepEqual(
      [short(number), fixed(number, decimalsOf([number], []))],
      Array(2).fill(number === -0.2512 ? "-0.2512" : "-3.384e-07"),
    );
  assert.equal(fixed(Number.NEGATIVE_INFINITY, 3), "-inf");
  assert.equal(fixed(0.5, 3), "0.500");
  assert.equal(duration(3700), "1 h 2 min");
});

test("names that are cut stay different", () => {
  const names = [0.1, 0.01].map(
    (rate) => `optimizer.parameters.learning_rate=${rate},model.encoder.layers=12`,
  );
  const brief = distinct(names, 24);
  assert.equal(new Set(brief).size, 2);
  assert.ok(brief.every((name) => [...name].length <= 24));
  assert.equal(cut("abcdefgh", 5), "ab…gh");
});

test("names of long dotted parameters are shortened to the values that differ", () => {
  const names = ["none", "randaugment.magnitude_9.layers_2"].flatMap((policy) =>
    [2, 4].map((layers) => `policy.name=${policy}, number_of_layers=${layers}, configuration.name=adamw`),
  );
  assert.deepEqual(distinct(names, 30), ["none, 2", "none, 4", "randau…ers_2, 2", "randau…ers_2, 4"]);
});

test("numbers that need many decimals have an exponent, and as many digits as their spread justifies", () => {
  assert.equal(decimalsOf([2.97e-7], [9e-9]), 10);
  assert.equal(fixed(2.97e-7, 10), "2.970e-07");
  assert.equal(fixed(0, 8), "0");
  assert.equal(fixed(0.0001234, 7), "0.0001234");
  const cases = JSON.parse(readFileSync(new URL("../support/spread_texts.json", import.meta.url), "utf8"));
  for (const { numbers, texts, why } of cases) {
    const decimals = decimalsOf(
      numbers.map(([mean]) => mean),
      numbers.map(([, std]) => std),
    );
    const shown = numbers.map(([mean, std]) => meanAndSpread(mean, std, decimals).join(" ± "));
    assert.deepEqual(shown, texts, why);
  }
});

test("numbers in texts are ordered by value", () => {
  assert.deepEqual(["layer10", "layer9", "layer1"].sort(byText), ["layer1", "layer9", "layer10"]);
  assert.deepEqual(["lr=0.5", "lr=-3", "lr=−12", "lr=1e−07"].sort(byText), [
    "lr=−12",
    "lr=-3",
    "lr=1e−07",
    "lr=0.5",
  ]);
  assert.deepEqual(["net-12", "net-3", "2026-01-12", "2026-01-03"].sort(byText), [
    "2026-01-03",
    "2026-01-12",
    "net-3",
    "net-12",
  ]); // where it joins, it is no minus
  assert.deepEqual(["1.10.0", "1.9.2"].sort(byText), ["1.9.2", "1.10.0"]);
});

test("an experiment that is loaded in parts shows what is there", () => {
  const column = (...numbers) => encoded("f8", Float64Array.of(...numbers));
  const whole = (more) => ({
    name: "net",
    metrics: [],
    parameters: [],
    configurations: [{ name: "a", fingerprint: "v1-aa" }],
    counts: { completed: column(1), failed: column(0) },
    grids: [column(0, 1, 2)],
    ...more,
  });
  const row = { configuration: 0, description: "" };
  const chosen = new Experiment(whole({ partial: true, curve_metrics: ["loss"], rows: [row] }));
  assert.equal(chosen.loaded(0), null);
  assert.equal(chosen.line(0, "loss"), undefined);
  assert.ok(chosen.mayHaveCurves(0));
  const curves = { loss: { steps: 0, center: column(3, 2, 1), runs: 1 } };
  chosen.parts.set("v1-aa", new Experiment(whole({ rows: [{ ...row, curves, unfinished: [], media: {} }] })));
  assert.deepEqual(chosen.line(0, "loss").center, [3, 2, 1]);
  assert.deepEqual(chosen.line(0, "loss").steps, [0, 1, 2]);
});

test("ten thousand rows are ranked, sorted and searched", () => {
  const rows = Array.from({ length: 10000 }, (_, row) => row);
  const column = (numbers) => encoded("f8", Float64Array.from(numbers));
  const hasValue = (row) => row % 100 > 0;
  const loss = rows.map((row) => ((row * 7919) % 10007) / 1000 - 5); // each another one
  const width = rows.map((row) => (row * 31) % 1000);
  const metric = {
    key: "best_loss",
    name: "loss",
    title: "best loss",
    higher_better: false,
    mean: column(loss.map((one, row) => (hasValue(row) ? one : Number.NaN))),
    std: column(rows.map(() => 0)),
    n: column(rows.map((row) => Number(hasValue(row)))),
    nan: column(rows.map(() => 0)),
  };
  const parameter = {
    name: "width",
    values: Array.from({ length: 1000 }, (_, number) => [String(number), number]),
    of: column(width.map((number) => number + 1)),
    active: column(rows.map(() => 1)),
  };
  const experiment = {
    name: "net",
    metric: "best_loss",
    metrics: [metric],
    parameters: [parameter],
    configurations: rows.map((row) => ({ name: `net-${row}`, fingerprint: `v1-${row}` })),
    counts: { completed: column(rows.map(() => 1)) },
    rows: rows.map((row) => ({ configuration: row, description: "", curves: {}, unfinished: [], media: {} })),
    grids: [],
  };
  installReport({ title: "", experiments: [experiment], media: {} });
  begin(0);
  const best = rows.filter(hasValue).sort((a, b) => loss[a] - loss[b]);
  const others = rows.filter((row) => !hasValue(row)); // by name
  assert.deepEqual(ranked(), [...best, ...others]);
  state.higher = { best_loss: true };
  assert.deepEqual(ranked(), [...best.toReversed(), ...others]);
  const byWidth = (sign) => rows.toSorted((a, b) => sign * (width[a] - width[b]) || a - b);
  assert.deepEqual(
    sortedBy(filtered(), (row) => width[row], false),
    byWidth(1),
  );
  assert.deepEqual(
    sortedBy(filtered(), (row) => String(width[row]), true),
    byWidth(-1),
  );
  state.search = "NET-99 width=1";
  const found = rows.filter((row) => `net-${row}`.includes("net-99") && `${width[row]}`.startsWith("1"));
  assert.ok(found.length > 5);
  assert.deepEqual(new Set(filtered()), new Set(found));
  state.filters = { width: { least: 100, most: 150 } };
  assert.deepEqual(
    new Set(filtered()),
    new Set(found.filter((row) => width[row] >= 100 && width[row] <= 150)),
  );
});
