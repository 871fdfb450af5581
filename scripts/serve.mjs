// A static server for the pages in examples/, with the headers that they want: `npm run web`, or serve() in tests.
//
//   node scripts/serve.mjs [--port 8080]
//
// Cross-origin isolation lets the library use threads. The policy allows files of this origin and WebAssembly, nothing else:
// no script from a string, no inline style, no other host.
import { createReadStream, realpathSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Folders by the path they are served under. The library's own stay where examples/ expects them. */
const folders = {
  '/examples/': join(root, 'examples'),
  '/dist/': join(root, 'dist'),
  '/src/': join(root, 'src'),
  '/uplot/': join(root, 'node_modules/uplot/dist'),
};

const types = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
  '.ts': 'text/plain; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
};

export const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export const policy = {
  'Content-Security-Policy': [
    "default-src 'self'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self'",
    "connect-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
};

/** The file that a path stands for; undefined: none. Nothing outside the folders is ever found, links included. */
function find(path, served) {
  for (const [prefix, folder] of Object.entries(served)) {
    if (!path.startsWith(prefix)) continue;
    try {
      const file = realpathSync(join(folder, path.slice(prefix.length), path.endsWith('/') ? 'index.html' : ''));
      const inside = file.startsWith(realpathSync(folder) + sep);
      return inside && statSync(file).isFile() ? file : undefined;
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/**
 * Serves on this machine only. port 0: any that is free. headers: sent with every answer. served: more folders by path.
 *
 * @returns {Promise<{ url: string, close(): Promise<void> }>}
 */
export function serve({ port = 0, headers = { ...isolation, ...policy }, served = {}, start = '/examples/web/' } = {}) {
  const all = { ...served, ...folders };
  const server = createServer((request, response) => {
    const answer = (status, more = {}, text = '') => response.writeHead(status, { ...headers, ...more }).end(text);
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, { Allow: 'GET, HEAD' });
    let path;
    try {
      path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    } catch {
      return answer(400);
    }
    if (path === '/') return answer(302, { Location: start });
    const file = find(path, all);
    if (file === undefined) return answer(404, { 'Content-Type': types['.txt'] }, `Not found: ${path}\n`);
    response.writeHead(200, {
      ...headers,
      'Content-Type': types[extname(file)] ?? 'application/octet-stream',
      'Content-Length': statSync(file).size,
      'Cross-Origin-Resource-Policy': 'same-origin',
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-cache',
    });
    if (request.method === 'HEAD') return response.end();
    // A visitor who leaves in the middle is no fault of the server's.
    pipeline(createReadStream(file), response, () => {});
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const close = () =>
        new Promise((done) => {
          server.close(() => done());
          server.closeAllConnections();
        });
      resolve({ url: `http://127.0.0.1:${server.address().port}`, close });
    });
  });
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '8080' } } });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    console.error(`serve: --port must be a whole number from 0 to 65535, got '${values.port}'`);
    process.exit(1);
  }
  // Another program may have the port already; any other does as well.
  const { url } = await serve({ port }).catch((error) => {
    if (error.code !== 'EADDRINUSE') throw error;
    return serve();
  });
  console.log(`lanewise: the page is at ${url}/  (Ctrl-C ends)`);
}
