// JSON lines of systems, several of each, from standard input, to a table of medians with their ratios to the best peer
// and to the floor of the same kind.
import { readFileSync } from "node:fs";

const rows = readFileSync(0, "utf8").trim().split("\n").map((line) => JSON.parse(line));

function median(values) {
  const sorted = values.filter((value) => value != null).sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return sorted.length ? (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2 : undefined;
}

const systems = [...new Set(rows.map((row) => row.system))].map((system) => {
  const of = (figure) => median(rows.filter((row) => row.system === system).map((row) => row[figure]));
  return {
    system,
    kind: system.split(" ").at(-1),
    isPeer: !/^(floor|tidemark) /.test(system),
    drained: of("drained_per_s"),
    enqueued: of("enqueue_per_s"),
    p50: of("pickup_p50_ms"),
    p99: of("pickup_p99_ms"),
  };
});

const shown = (value, digits) => value?.toFixed(digits) ?? "–";
const ratio = (value, other) => (value && other ? (value / other).toFixed(2) : "–");

function line(row) {
  const alike = systems.filter((other) => other.kind === row.kind);
  const peers = (figure) => alike.filter((other) => other.isPeer).map((other) => other[figure]);
  const floor = alike.find((other) => other.system.startsWith("floor "));
  const most = (figure) => ratio(row[figure], Math.max(...peers(figure)));
  const least = (figure) => ratio(row[figure], Math.min(...peers(figure)));
  return [
    row.system,
    shown(row.drained, 0), most("drained"), ratio(row.drained, floor?.drained),
    shown(row.enqueued, 0), most("enqueued"),
    shown(row.p50, 2), least("p50"),
    shown(row.p99, 2), least("p99"),
  ];
}

const head = [
  "system", "drained, jobs/s", "÷ best peer", "÷ floor", "enqueued, jobs/s", "÷ best peer", "pick-up p50, ms",
  "÷ best peer", "p99, ms", "÷ best peer",
];
systems.sort((a, b) => a.kind.localeCompare(b.kind) || b.drained - a.drained);
for (const cells of [head, head.map(() => "---"), ...systems.map(line)]) console.log(`| ${cells.join(" | ")} |`);
