// Models and whole training runs as files of the visitor's.
import { createTrainer } from '../../dist/worker.js';
import { desk } from './desk.js';
import { $, download, remark } from './dom.js';
import { rules } from './presets.js';
import { dataOf } from './run.js';

/** Settings of the page that stand for what a trainer was told. */
function settingsOf({ model, solver = {}, seed = 0 }) {
  const { name: _, inputDim: _shape, numClasses: _classes, reg = 0, ...spec } = model;
  const { learningRate, nesterov = false } = solver.optimConfig ?? {};
  const [rule = 'sgd'] =
    Object.entries(rules).find(
      ([, { updateRule, optimConfig }]) =>
        updateRule === solver.updateRule && (optimConfig?.nesterov ?? false) === nesterov,
    ) ?? [];
  const { schedule, augment } = solver;
  return {
    ...{ net: 'own', spec: JSON.stringify(spec), reg, seed, rule },
    ...(learningRate !== undefined && { rate: learningRate }),
    ...(solver.batchSize !== undefined && { batch: solver.batchSize }),
    ...(solver.numEpochs !== undefined && { epochs: solver.numEpochs }),
    schedule: (typeof schedule === 'string' ? schedule : schedule?.name) ?? 'constant',
    flip: augment?.flip ?? false,
    crop: augment?.crop ?? 0,
  };
}

/** The specification in a file, for which it must fit the pictures that are there. */
async function specIn(bytes, isModel, album) {
  const source = isModel ? { model: bytes } : { state: bytes };
  const trainer = await createTrainer(null, isModel ? null : dataOf(album), { ...source, init: { threads: 1 } });
  await trainer.dispose();
  return trainer.spec;
}

/** reopen(settings, { state } | { parameters }) makes the trainer that a file holds. */
export function startFiles(run, reopen) {
  const save = (id, name, bytes) =>
    $(id).addEventListener('click', async () => {
      try {
        download(`lanewise-${name}-step-${run.losses.count}.safetensors`, await bytes(run.trainer));
      } catch (error) {
        remark(error.message, { bad: true });
      }
    });
  save('save-model', 'model', (trainer) => trainer.saveModel());
  save('save-run', 'training', (trainer) => trainer.save());
  $('load-file').addEventListener('change', async ({ target }) => {
    const [file] = target.files;
    target.value = '';
    if (file === undefined) return;
    try {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const isModel = (await desk.run('kindOf', { bytes, file: file.name })) === 'model';
      const spec = await specIn(bytes, isModel, run.album);
      const { net, spec: text, ...others } = settingsOf(spec);
      await reopen({ net, spec: text, ...(isModel ? {} : others) }, isModel ? { parameters: bytes } : { state: bytes });
      remark(`${file.name} is loaded`);
    } catch (error) {
      remark(error.message, { bad: true });
    }
  });
  run.addEventListener('unkept', ({ detail }) => {
    $('kept').textContent = `The browser does not keep this run: ${detail.message}`;
  });
  run.addEventListener('kept', () => {
    $('kept').textContent = 'The browser keeps the run: a reload goes on where it was.';
  });
}
