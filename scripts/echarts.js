// Bundles the parts of ECharts that the chart uses into public/vendor/echarts.js, as the global `echarts`: its core, its
// canvas, and the chart's own shapes. A part that the chart starts to use is added to the list here.

import { build } from 'esbuild';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const outfile = `${root}public/vendor/echarts.js`;

const contents = `
  import { init, use } from 'echarts/core';
  import { CanvasRenderer } from 'echarts/renderers';
  import { Layer } from './scripts/shapes.js';
  use([CanvasRenderer]);
  export { init, Layer };
`;

await build({
  stdin: { contents, resolveDir: root },
  outfile,
  bundle: true,
  format: 'iife',
  globalName: 'echarts',
  minify: true,
  legalComments: 'linked',
  target: 'es2020',
  define: { 'process.env.NODE_ENV': '"production"' },
});
console.log(`public/vendor/echarts.js: ${Math.round(statSync(outfile).size / 1000)} kB`);
