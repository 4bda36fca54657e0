// Makes of a built site the one that is served for good: `node scripts/pack.js SITE PACKED`.
//
// What is in `pkg` and `vendor` gets its content's hash into its name, so that browsers may keep it for ever; the rest
// keeps its name. Everything that text compression makes smaller lies beside its brotli and gzip form. `assets.json` tells
// the server the names, and the service worker learns what to keep. Files of the build before stay for one more, for
// pages that were opened under it.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const [site, packed] = process.argv.slice(2);
if (!packed) throw new Error('usage: node scripts/pack.js SITE PACKED');
// Lower where a build is packed only to be tested.
const quality = Number(process.env.PACK_QUALITY ?? constants.BROTLI_MAX_QUALITY);
const HASHED = /^\/(pkg|vendor)\//;
const COMPRESSED = new Set(['.css', '.js', '.json', '.svg', '.txt', '.wasm']);
const LICENCES = '.LEGAL.txt';

/** Every file below the folder, as `/path/from/it`. */
function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `/${relative(folder, join(entry.parentPath ?? entry.path, entry.name)).split(sep).join('/')}`)
    .sort();
}

const digest = (content) => createHash('sha256').update(content).digest('base64url').slice(0, 12);

function hashedName(path, content) {
  const ending = extname(path);
  return `${path.slice(0, -ending.length)}.${digest(content)}${ending}`;
}

/** Writes the file and its compressed forms. */
function write(path, content) {
  const file = join(packed, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  if (!COMPRESSED.has(extname(path)) || content.length < 512) return;
  const params = { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  writeFileSync(`${file}.br`, brotliCompressSync(content, { params }));
  writeFileSync(`${file}.gz`, gzipSync(content, { level: Math.min(9, quality) }));
}

function previousNames() {
  try {
    return Object.values(JSON.parse(readFileSync(join(packed, 'assets.json'), 'utf8')));
  } catch {
    return [];
  }
}

/** Removes what belongs neither to this build nor to the one before. */
function sweep(kept) {
  mkdirSync(packed, { recursive: true });
  for (const path of filesBelow(packed)) {
    if (!kept.has(path.replace(/\.(br|gz)$/, ''))) rmSync(join(packed, path));
  }
}

const contents = new Map(
  filesBelow(site)
    .filter((path) => !/\.(br|gz|d\.ts)$/.test(path))
    .map((path) => [path, readFileSync(join(site, path))]),
);
const names = {};
for (const [path, content] of contents) {
  if (HASHED.test(path) && !path.endsWith(LICENCES)) names[path] = hashedName(path, content);
}
const worker = readFileSync(fileURLToPath(new URL('service-worker.js', import.meta.url)), 'utf8');
const files = Object.values(names);
const build = { version: digest(files.join()), files: [...files, '/favicon.png'] };

sweep(new Set([...previousNames(), ...files]));
for (const [path, content] of contents) write(names[path] ?? path, content);
write('/sw.js', Buffer.from(`self.build = ${JSON.stringify(build)};\n${worker}`));
write('/assets.json', Buffer.from(JSON.stringify({ ...names, '/sw.js': '/sw.js' })));
console.log(`${packed}: ${files.length} hashed files, build ${build.version}`);
