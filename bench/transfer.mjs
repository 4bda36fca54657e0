// What the chart page loads, weighed: `node bench/transfer.mjs PACKED` writes bench/TRANSFER.md.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MOST = 450_000;
const PARTS = [
  ['/pkg/tidemark.wasm', 'WASM: the page, its stores and `market`'],
  ['/pkg/tidemark.js', 'JavaScript that starts the WASM and hands it the browser’s functions'],
  ['/pkg/tidemark.css', 'style sheet'],
  ['/vendor/echarts.js', 'ECharts, the parts that the chart uses'],
];

const packed = process.argv[2];
const names = JSON.parse(readFileSync(`${packed}/assets.json`, 'utf8'));
const size = (path) => statSync(`${packed}${path}`).size;
const rows = PARTS.map(([path, what]) => [what, ...['', '.gz', '.br'].map((ending) => size(names[path] + ending))]);
const total = ['**together**', ...[1, 2, 3].map((column) => rows.reduce((sum, row) => sum + row[column], 0))];
const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const line = ([what, ...sizes]) => `| ${what} | ${sizes.map(kB).join(' | ')} |`;

const text = [
  '# What the chart page loads',
  '',
  `\`make bench-transfer\`, ${new Date().toISOString().slice(0, 10)}. Each is fetched once and kept for ever under its hashed name; browsers`,
  'take the brotli form. Beside them the page loads its HTML and a 1 kB icon, and fonts none.',
  '',
  '| part | as it is | gzip | brotli |',
  '|---|---|---|---|',
  ...rows.map(line),
  line(total),
  '',
  `Asked: at most ${kB(MOST)} as brotli. ${total[3] <= MOST ? 'Kept' : `Missed by ${kB(total[3] - MOST)}`}.`,
  '',
].join('\n');
writeFileSync(fileURLToPath(new URL('TRANSFER.md', import.meta.url)), text);
console.log(text);
