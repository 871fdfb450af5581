/** Files outside browsers, and the origin's private file system in them: written whole or not at all. */
import { StorageError } from '../errors.js';
import { nodeModule } from './host.js';

/** Of a file that is being written; the name under which it is known comes when it is complete. */
export const PART = '.part';

/** What the system says of a failure, as text. */
function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : String(name);
}

/** Runs an operation on a file; what the system refuses becomes a StorageError. */
async function stored<T>(where: string, file: string, task: string, act: () => Promise<T>, hint?: string): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const rule = `${file} could not be ${task}: ${reason}`;
    throw new StorageError({ where, rule, hint, file, code: codeOf(error), cause: error });
  }
}

const KEPT = 'whatever was there before is still there';

/**
 * Writes a file. Whoever reads meanwhile, or after a crash or a power cut at any moment, finds the old file or the new one,
 * and the new one once this has returned: the bytes go to a file beside it, onto the disk, and then under its name.
 */
export async function replaceFile(where: string, path: string, bytes: Uint8Array): Promise<void> {
  const { promises } = await nodeModule<typeof import('node:fs')>('node:fs');
  const { dirname } = await nodeModule<typeof import('node:path')>('node:path');
  const part = `${path}${PART}`;
  const write = async () => {
    try {
      const file = await promises.open(part, 'w');
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await promises.rename(part, path);
    } catch (error) {
      // What is left of it takes room, of which there may be none.
      await promises.rm(part, { force: true }).catch(() => undefined);
      throw error;
    }
    await syncFolder(dirname(path));
  };
  await stored(where, path, 'written', write, KEPT);
}

/** Systems that cannot do this to a folder, and say so in these ways, keep names in order by themselves. */
const NO_FOLDERS = ['EINVAL', 'EISDIR', 'ENOTSUP', 'EPERM', 'EACCES'];

/** A file's name must outlive a power cut as well as what is in it. */
async function syncFolder(path: string): Promise<void> {
  const { promises } = await nodeModule<typeof import('node:fs')>('node:fs');
  let folder: import('node:fs/promises').FileHandle;
  try {
    folder = await promises.open(path, 'r');
  } catch (error) {
    if (NO_FOLDERS.includes(codeOf(error))) return;
    throw error;
  }
  try {
    await folder.sync();
  } catch (error) {
    if (!NO_FOLDERS.includes(codeOf(error))) throw error;
  } finally {
    await folder.close();
  }
}

/** Bytes of a file; undefined if there is none. */
export function readFile(where: string, path: string): Promise<Uint8Array | undefined> {
  return stored(where, path, 'read', async () => {
    const { promises } = await nodeModule<typeof import('node:fs')>('node:fs');
    return absentAs(undefined, promises.readFile(path));
  });
}

/** Names of the files in a folder; none if there is no such folder. */
export function listFolder(where: string, path: string): Promise<string[]> {
  return stored(where, path, 'read', async () => {
    const { promises } = await nodeModule<typeof import('node:fs')>('node:fs');
    const entries = await absentAs([], promises.readdir(path, { withFileTypes: true }));
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  });
}

export function makeFolder(where: string, path: string): Promise<void> {
  return stored(where, path, 'made', async () => {
    const { promises } = await nodeModule<typeof import('node:fs')>('node:fs');
    await promises.mkdir(path, { recursive: true });
  });
}

export function removeFile(where: string, path: string): Promise<void> {
  return stored(where, path, 'removed', async () => {
    const { promises } = await nodeModule<typeof import('node:fs')>('node:fs');
    await promises.rm(path, { force: true });
  });
}

async function absentAs<T, A>(absent: A, found: Promise<T>): Promise<T | A> {
  try {
    return await found;
  } catch (error) {
    if (['ENOENT', 'NotFoundError'].includes(codeOf(error))) return absent;
    throw error;
  }
}

/** What of a folder of the origin's private file system is used. */
interface PrivateFolder {
  getDirectoryHandle(name: string, options: { create: boolean }): Promise<PrivateFolder>;
  getFileHandle(name: string, options?: { create: boolean }): Promise<PrivateFile>;
  removeEntry(name: string): Promise<void>;
  values(): AsyncIterable<{ kind: string; name: string }>;
}
interface PrivateFile {
  getFile(): Promise<Blob>;
  createWritable?(): Promise<{
    write(data: Uint8Array): Promise<void>;
    close(): Promise<void>;
    abort(): Promise<void>;
  }>;
}

/** A folder of the origin's private file system, by its path; made if it is not there. */
async function privateFolder(path: string): Promise<PrivateFolder> {
  const { storage } = navigator as unknown as { storage?: { getDirectory?(): Promise<PrivateFolder> } };
  if (!storage?.getDirectory)
    throw new Error('this browser, or a page that is not secure, has no file system of its own');
  let folder = await storage.getDirectory();
  for (const name of path.split('/').filter((part) => part !== '')) {
    folder = await folder.getDirectoryHandle(name, { create: true });
  }
  return folder;
}

/**
 * The same for pages. The system writes into a file of its own and puts it in the place of the named one when it is closed.
 * What this leaves when it is cut off before, an empty file, counts as none.
 */
export function replacePrivateFile(where: string, folder: string, name: string, bytes: Uint8Array): Promise<void> {
  const write = async () => {
    const handle = await (await privateFolder(folder)).getFileHandle(name, { create: true });
    const writer = await handle.createWritable?.();
    if (!writer) throw new Error('this browser cannot write to files of its own (FileSystemFileHandle.createWritable)');
    try {
      await writer.write(bytes);
    } catch (error) {
      await writer.abort().catch(() => undefined);
      throw error;
    }
    await writer.close();
  };
  return stored(where, `${folder}/${name}`, 'written', write, KEPT);
}

export function readPrivateFile(where: string, folder: string, name: string): Promise<Uint8Array | undefined> {
  return stored(where, `${folder}/${name}`, 'read', async () => {
    const found = await absentAs(undefined, (await privateFolder(folder)).getFileHandle(name));
    const bytes = found && new Uint8Array(await (await found.getFile()).arrayBuffer());
    return bytes?.length ? bytes : undefined;
  });
}

/** Names of its files that are not empty. */
export function listPrivateFolder(where: string, folder: string): Promise<string[]> {
  return stored(where, folder, 'read', async () => {
    const names: string[] = [];
    const handle = await privateFolder(folder);
    for await (const { kind, name } of handle.values()) {
      if (kind !== 'file') continue;
      const { size } = await (await handle.getFileHandle(name)).getFile();
      if (size > 0) names.push(name);
    }
    return names;
  });
}

export function removePrivateFile(where: string, folder: string, name: string): Promise<void> {
  return stored(where, `${folder}/${name}`, 'removed', async () => {
    await absentAs(undefined, (await privateFolder(folder)).removeEntry(name));
  });
}
