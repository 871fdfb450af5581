// One file by a script tag: everything is in the global `lanewise`, the binaries included.
/* global lanewise */
async function main() {
  const show = (text) => document.querySelector('output').replaceChildren(text);
  const lw = lanewise;
  await lw.init();
  const { X, y } = lw.syntheticImages({ num: 1200, seed: 0 });
  const pixels = lw.sub(X, X.mean(0));
  const data = { XTrain: pixels.rows(0, 1000), yTrain: y.rows(0, 1000), XVal: pixels.rows(1000), yVal: y.rows(1000) };
  const model = new lw.FullyConnectedNet([50], { weightScale: 1e-3 });
  const solver = new lw.Solver(model, data, { updateRule: 'adam', batchSize: 50, numEpochs: 5, verbose: false });
  await solver.train({ onEpoch: ({ epoch, valAcc }) => show(`epoch ${epoch}: ${Math.round(100 * valAcc)} % right`) });
  show(`best: ${Math.round(100 * solver.bestValAcc)} % right`);
}
main();
