// Step 4: what it learned. Each view reads from the trainer between two training steps. Views that are on the screen are
// brought up to date one after the other, again and again while something new is there, and rarely enough that reading
// takes a small share of the time.
import { CloserView } from './closer.js';
import { $ } from './dom.js';
import { FiltersView, GradientsView } from './filters.js';
import { TestsView } from './tests.js';
import { onTheme } from './theme.js';

/** Rest between two rounds: at least so many ms, and so many times what the round took. */
const REST = 350;
const REST_FACTOR = 3;

export function showLearned(run) {
  const closer = new CloserView(run);
  const views = [new FiltersView(), closer, new TestsView((picture) => closer.choose(picture)), new GradientsView()];
  const onScreen = new Set();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) onScreen.add(target);
        else onScreen.delete(target);
      }
      wake();
    },
    { rootMargin: '100px' },
  );
  for (const { elements } of views) for (const element of elements) observer.observe(element);

  /** What each view has shown: the trainer and its step. */
  const shown = new Map();
  let busy = false;
  /** Whatever was read before this number changed is out of date. */
  let generation = 0;

  const isDue = (view) => {
    const last = shown.get(view);
    const visible = !document.hidden && view.elements.some((element) => onScreen.has(element));
    return visible && (last === undefined || last.trainer !== run.trainer || last.step !== run.losses.count);
  };

  async function wake() {
    if (busy) return;
    busy = true;
    try {
      for (;;) {
        const due = views.filter(isDue);
        const { trainer, album } = run;
        if (due.length === 0 || trainer === undefined) break;
        const began = performance.now();
        for (const view of due) {
          const step = run.losses.count;
          const of = generation;
          let done = true;
          try {
            done = (await view.update(trainer, album, { training: run.running })) !== false;
          } catch (error) {
            // The answer of a trainer that is gone.
            if (trainer !== run.trainer) break;
            run.dispatchEvent(new CustomEvent('trouble', { detail: error }));
          }
          if (done && of === generation) {
            shown.set(view, { trainer, step });
            // For whoever drives the page by a program: how new a view is.
            for (const element of view.elements) element.dataset.step = step;
          }
        }
        const took = performance.now() - began;
        await new Promise((resolve) => setTimeout(resolve, run.running ? Math.max(REST, REST_FACTOR * took) : 60));
      }
    } finally {
      busy = false;
    }
  }

  const again = () => {
    generation++;
    shown.clear();
    wake();
  };
  const empty = () => $('learned').classList.toggle('empty', run.status === 'none');
  run.addEventListener('status', empty);
  empty();
  run.addEventListener('made', again);
  for (const event of ['status', 'steps']) run.addEventListener(event, wake);
  closer.addEventListener('chosen', () => {
    generation++;
    shown.delete(closer);
    wake();
  });
  onTheme(again);
  document.addEventListener('visibilitychange', wake);
  return closer;
}
