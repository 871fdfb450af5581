// The visitor's folders: a folder of folders, one for each class, from a file input or dropped on the page.

const isPicture = (name) => /\.(jpe?g|png|gif|webp|avif|bmp|svg)$/i.test(name);

/** [{ name, files }] by class, in the order of their names. */
function grouped(pairs) {
  const folders = new Map();
  for (const [name, file] of pairs) {
    if (!folders.has(name)) folders.set(name, []);
    folders.get(name).push(file);
  }
  return [...folders]
    .map(([name, files]) => ({ name, files: files.sort((a, b) => (a.name < b.name ? -1 : 1)) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Files of <input webkitdirectory>: the class is the folder that a picture lies in. */
export function foldersOf(files) {
  const pictures = [...files].filter(({ name }) => isPicture(name));
  return grouped(pictures.map((file) => [file.webkitRelativePath.split('/').at(-2) ?? '', file]));
}

/** The same of what was dropped: one folder with folders in it, or several folders. */
export async function foldersOfDrop({ items }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found = [];
  const walk = async (entry, parent) => {
    if (entry.isFile) {
      if (isPicture(entry.name))
        found.push([parent, await new Promise((resolve, reject) => entry.file(resolve, reject))]);
      return;
    }
    const reader = entry.createReader();
    // A reader gives a hundred entries at a time, then none.
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return;
      for (const inside of some) await walk(inside, entry.name);
    }
  };
  for (const entry of entries) await walk(entry, '');
  return grouped(found);
}
