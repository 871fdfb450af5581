// The page: pictures, a net, training, and what it learned. Each step tells the next by the calls below; the settings are in
// state.js and thereby in the address.
import { DataStep } from './data.js';
import { $, count, oncePerFrame, remark } from './dom.js';
import { startFiles } from './files.js';
import { showLearned } from './learned.js';
import { NetworkStep } from './network.js';
import { showPlots } from './plots.js';
import { Run } from './run.js';
import { startSharing } from './share.js';
import { state } from './state.js';
import { startTheme } from './theme.js';
import { TrainingStep } from './training.js';

startTheme();
startSharing();
const run = new Run();
showPlots(run);
showLearned(run);
/** The pictures and the net that fit each other; undefined while there are none. */
let found;
/** Only what was kept before this visit is resumed, and only once. */
let first = true;
/** What the next trainer begins with: the bytes of a file. */
let opened;

/** Takes what can be trained from now on; nothing can be as soon as that is said. */
function take(net) {
  found = net;
  if (net === undefined) run.end();
  prepare();
}

const network = new NetworkStep(take);
const data = new DataStep((album) => {
  network.album = album;
  if (album === undefined) take(undefined);
});
const training = new TrainingStep(run, async () => {
  await run.forget();
  if (found !== undefined) await begin();
});

/** Makes the trainer of the settings; more: bytes that it begins with, see Run.make. */
async function begin(more = {}) {
  const { album, model, summary } = found;
  try {
    await run.make({ album, model, flops: summary.flops, values: state.values, ...more });
  } catch (error) {
    training.complain(error);
  }
}

let preparations = 0;
const prepare = oncePerFrame(async () => {
  const turn = ++preparations;
  const outdated = () => turn !== preparations || found === undefined;
  // A net that is being looked at comes here again when that is done.
  if (network.looking || found === undefined) return;
  const more = opened;
  opened = undefined;
  if (more !== undefined) return begin(more);
  const kept = first ? await run.recall(state.values).catch(() => undefined) : undefined;
  // Something else was chosen while the browser looked for what it kept.
  if (outdated()) return;
  first = false;
  if (kept === undefined) return begin();
  await begin({ state: kept });
  if (outdated()) return;
  // What was kept by an older version, or of other pictures, does not hold up what can be done without it.
  if (run.trainer === undefined) return begin();
  if (run.losses.count > 0) remark(`Resumed at step ${count(run.losses.count)}`);
});

state.on(['rule', 'schedule', 'batch', 'epochs', 'flip', 'crop', 'seed'], prepare);
startFiles(run, (settings, more) => {
  opened = more;
  state.set(settings);
  prepare();
});

const wrong = oncePerFrame(() => {
  if (state.wrong.length > 0)
    remark(`The address has settings that make no sense: ${state.wrong.join(', ')}`, { bad: true });
});
state.addEventListener('change', wrong);
wrong();

// The address is taken: a link within the page must leave it as it is.
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  $('train').focus();
});
// The net can be looked at while its pictures are being made.
network.album = undefined;
data.start();
