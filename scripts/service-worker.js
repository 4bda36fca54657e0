// Keeps the page's shell, so that it opens and draws what the browser holds of bars when the server can't be reached.
// `scripts/pack.js` puts `self.build` before it: the version, and the files that the page consists of.
//
// The server is asked for every page; only where it does not answer, the empty document is given, which renders itself.
// Hashed files never change and come from the cache. Nothing of /api is touched.

const PREFIX = 'tidemark-shell-';
const CACHE = PREFIX + self.build.version;
const EMPTY_PAGE = '/shell';

self.addEventListener('install', (event) => {
  event.waitUntil(keepShell().then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(forgetOldShells().then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (request.mode === 'navigate') event.respondWith(page(request, url));
  else if (self.build.files.includes(url.pathname)) event.respondWith(file(request));
});

async function keepShell() {
  const cache = await caches.open(CACHE);
  // The page has just loaded most of it: the browser's own cache answers.
  await Promise.all([cache.addAll(self.build.files), cache.add(new Request(EMPTY_PAGE, { cache: 'reload' }))]);
}

async function forgetOldShells() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
}

async function page(request, url) {
  try {
    return await fetch(request);
  } catch (error) {
    const isPage = url.pathname === '/' || url.pathname.startsWith('/chart/');
    const empty = isPage && (await caches.match(EMPTY_PAGE, { cacheName: CACHE }));
    if (!empty) throw error;
    return empty;
  }
}

async function file(request) {
  // One name, one content: who asks makes no difference.
  return (await caches.match(request, { cacheName: CACHE, ignoreVary: true })) ?? fetch(request);
}
