// The page of the benchmark: what to run, a table that grows, the records as a file. With ?run=OPTIONS&to=ADDRESS in its
// address it runs by itself and sends the records to that address on this machine; see browsers.js.
const byId = (id) => document.getElementById(id);

/** Names of the groups of run.js, which the page itself does not load: only its worker does. */
const GROUPS = {
  peak: 'register peak',
  gemm: 'matrix products',
  conv: 'convolutions',
  pool: 'pooling',
  elementwise: 'elementwise',
  norms: 'normalisation',
  losses: 'losses',
  rules: 'update rules',
  dispatch: 'cost of a call',
  steps: 'training steps',
  load: 'loading data',
  cold: 'cold start',
  bits: 'equal bits',
};
/** What a first visitor wants. */
const CHOSEN = ['peak', 'gemm', 'steps', 'bits'];

function element(name, fields = {}, ...children) {
  const made = Object.assign(document.createElement(name), fields);
  made.append(...children);
  return made;
}

/** Four significant digits at most, without an exponent. */
function digits(x) {
  return x.toFixed(Math.min(3, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(x) || 1)))));
}

let worker;
let records = [];
let body;
let columns;

/** Starts a worker with options of run(); hear takes its messages. */
function start(options, hear) {
  worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
  worker.addEventListener('message', ({ data }) => hear(data));
  worker.addEventListener('error', (event) => hear({ error: event.message || 'the worker did not start' }));
  worker.postMessage(options);
}

function beginGroup({ group, title }) {
  const heading = element('h2', { id: `group-${group}`, textContent: title });
  columns =
    group === 'bits'
      ? ['build, threads', 'hash', 'verdict']
      : ['item', 'build, threads', 'median', 'share of the limit', '±'];
  const head = element('tr', {}, ...columns.map((text) => element('th', { scope: 'col', textContent: text })));
  if (group !== 'bits') {
    head.lastChild.className = 'spread';
    head.lastChild.previousSibling.className = 'share';
  }
  body = element('tbody');
  const table = element('table', {}, element('thead', {}, head), body);
  table.setAttribute('aria-labelledby', heading.id);
  const scroll = element('div', { className: 'scroll', tabIndex: 0 }, table);
  scroll.setAttribute('role', 'region');
  scroll.setAttribute('aria-labelledby', heading.id);
  byId('results').append(heading, scroll);
}

function share(fraction) {
  const cell = element('td', { className: 'share' });
  if (!fraction) return cell;
  const fill = element('span', { className: 'fill' });
  fill.style.setProperty('--share', fraction.value);
  const track = element('span', { className: 'track', ariaHidden: 'true' }, fill);
  cell.append(track, element('span', { className: 'number', textContent: fraction.value.toFixed(2) }));
  return cell;
}

const cell = (textContent) => element('td', { textContent });

function addResult({ name, dtype, build, threads, value, low, high, unit, fraction, noisy }) {
  const spread = `${((50 * (high - low)) / Math.abs(value)).toFixed(1)} %${noisy ? '*' : ''}`;
  body.append(
    element(
      'tr',
      {},
      cell(dtype === 'float64' ? `${name}, float64` : name),
      cell(`${build}, ${threads}`),
      cell(`${digits(value)} ${unit}`),
      share(fraction),
      element('td', { className: 'spread', textContent: spread }),
    ),
  );
}

function addBits({ build, threads, hash, known, fused }) {
  const others = `where multiply-add is ${fused ? '' : 'not '}fused`;
  const verdict = hash === known ? `the known one ${others}` : `NOT the known ${known} ${others}`;
  body.append(element('tr', {}, cell(`${build}, ${threads}`), cell(hash), cell(verdict)));
}

function show(record) {
  records.push(record);
  const { type } = record;
  if (type === 'run') {
    const { runtime } = record.engines[0];
    const peaks = record.engines
      .filter(({ threads }) => threads === 1)
      .map(({ build, peak, fused }) => {
        return `${build} ${digits(peak)} GFLOP/s${build === 'relaxed' ? (fused ? ', fused' : ', not fused') : ''}`;
      });
    byId('results').append(
      element('p', { textContent: `${runtime.replace('browser ', '')}; peak of one thread: ${peaks.join('; ')}.` }),
    );
  } else if (type === 'missing') {
    const text = `Not here: the ${record.build} build on ${record.threads} thread(s): ${record.reason}`;
    byId('results').append(element('p', { textContent: text }));
  } else if (type === 'group') beginGroup(record);
  else if (type === 'result') addResult(record);
  else if (type === 'bits') addBits(record);
}

function download() {
  const lines = records.map((record) => `${JSON.stringify(record)}\n`);
  const href = URL.createObjectURL(new Blob(lines, { type: 'application/x-ndjson' }));
  element('a', { href, download: 'lanewise-bench.jsonl' }).click();
  // The browser has taken the bytes by then.
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

function end(message) {
  worker?.terminate();
  worker = undefined;
  byId('run').disabled = false;
  byId('stop').disabled = true;
  byId('status').textContent = message;
  byId('download').hidden = records.length === 0;
}

/** Options of run() from the form; undefined if it lacks something, which is then said. */
function chosen() {
  const form = new FormData(byId('form'));
  const groups = form.getAll('groups');
  const threads = form.getAll('threads').map(Number);
  const complaint =
    groups.length === 0 ? 'Choose at least one group.' : threads.length === 0 ? 'Choose a number of threads.' : '';
  byId('failure').textContent = complaint;
  if (complaint) return undefined;
  const machine = { cpu: 'unknown', cores: navigator.hardwareConcurrency, platform: navigator.platform };
  return { groups, threads, builds: form.get('builds').split(','), quick: form.get('effort') === 'quick', machine };
}

function begin(event) {
  event.preventDefault();
  const options = chosen();
  if (!options) return;
  records = [];
  byId('results').replaceChildren();
  byId('download').hidden = true;
  byId('run').disabled = true;
  byId('stop').disabled = false;
  byId('status').textContent = 'Starting …';
  start(options, (message) => {
    if (message.record) show(message.record);
    else if (message.progress) byId('status').textContent = `Measuring ${message.progress} …`;
    else if (message.end) end('Done.');
    else {
      byId('failure').textContent = message.error;
      end('Stopped by an error.');
    }
  });
}

function prepare() {
  const cores = navigator.hardwareConcurrency ?? 1;
  byId('host').textContent = crossOriginIsolated
    ? `${cores} threads at most here.`
    : 'One thread: this page is served without the headers of cross-origin isolation.';
  const box = (name, value, text, checked) =>
    element('label', {}, element('input', { type: 'checkbox', name, value, checked }), ` ${text}`);
  byId('groups').append(
    ...Object.entries(GROUPS).map(([name, text]) => box('groups', name, text, CHOSEN.includes(name))),
  );
  const counts = crossOriginIsolated && cores > 1 ? [1, cores] : [1];
  byId('threads').append(...counts.map((n) => box('threads', String(n), String(n), n === 1)));
  const tick = (checked) => {
    for (const input of document.querySelectorAll('[name=groups]')) input.checked = checked;
  };
  byId('all').addEventListener('click', () => tick(true));
  byId('none').addEventListener('click', () => tick(false));
  byId('form').addEventListener('submit', begin);
  byId('stop').addEventListener('click', () => end('Stopped.'));
  byId('download').addEventListener('click', download);
}

/** Messages of the worker as lines of text, one request after the other. */
function report(options, address) {
  if (!['127.0.0.1', 'localhost'].includes(new URL(address).hostname)) throw new Error('to: must be on this machine');
  let last = Promise.resolve();
  start(options, (message) => {
    const body = JSON.stringify(message);
    last = last.then(() => fetch(address, { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body }));
    if (message.record) show(message.record);
  });
}

prepare();
const query = new URLSearchParams(location.search);
if (query.has('to')) report(JSON.parse(query.get('run')), query.get('to'));
