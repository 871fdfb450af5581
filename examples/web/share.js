// The link to this set-up, and the parts of the page that a link leaves out.
import { $, make, remark } from './dom.js';
import { parts, state, writeHash } from './state.js';

/** Hides what the address says. */
function hide() {
  for (const element of document.querySelectorAll('[data-part]')) {
    element.hidden = state.values.hide.includes(element.dataset.part);
  }
}

export function startSharing() {
  const dialog = $('share-dialog');
  const boxes = Object.entries(parts).map(([name, title]) => {
    const box = make('input', { type: 'checkbox', value: name });
    box.addEventListener('change', show);
    $('share-parts').append(make('label', {}, box, title));
    return box;
  });

  function show() {
    const hidden = boxes.filter(({ checked }) => !checked).map(({ value }) => value);
    const { theme, ...values } = state.values;
    const link = new URL(location.href);
    link.hash = writeHash({ ...values, hide: hidden });
    $('share-link').value = link.href;
  }

  $('share').addEventListener('click', () => {
    for (const box of boxes) box.checked = !state.values.hide.includes(box.value);
    show();
    dialog.showModal();
    $('share-link').select();
  });
  $('share-close').addEventListener('click', () => dialog.close());
  $('share-copy').addEventListener('click', async () => {
    $('share-link').select();
    try {
      await navigator.clipboard.writeText($('share-link').value);
      remark('The link is copied');
      dialog.close();
    } catch {
      remark('This browser wants you to copy it yourself: the link is selected', { bad: true });
    }
  });
  hide();
  state.on(['hide'], hide);
}
