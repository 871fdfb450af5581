import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import * as lw from 'lanewise';
import { packTar } from 'modern-tar';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { batches, binaryFiles, concat, difference, END, type Files, gzip, member, pickledFiles, tar } from './files.js';

const ALL = batches([4, 4, 4, 4, 4, 3]);
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lanewise-'));
});
afterAll(() => rm(root, { recursive: true }));

async function put(name: string, files: Files): Promise<string> {
  for (const [path, content] of files) {
    await mkdir(dirname(join(root, name, path)), { recursive: true });
    await writeFile(join(root, name, path), content);
  }
  return join(root, name);
}

async function expectAll(source: lw.DataSource): Promise<void> {
  const data = await lw.loadCifar10(source);
  const expected = ALL.slice(0, 5).flatMap(({ pixels }) => [...pixels]);
  expect(difference(data.XTrain.data, expected)).toBe(-1);
  expect([...data.yTrain.data]).toEqual(ALL.slice(0, 5).flatMap(({ labels }) => labels));
  expect(difference(data.XTest.data, ALL[5]?.pixels ?? [])).toBe(-1);
  for (const value of Object.values(data)) if (value instanceof lw.Tensor) value.dispose();
}

/** Files of the tests that this process holds open; nothing where the host does not tell. */
async function stillOpen(): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd').catch(() => []);
  const names = await Promise.all(descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return names.filter((name) => name.startsWith(root));
}

async function refused(source: lw.DataSource): Promise<lw.DataError> {
  const { live } = lw.info().memory;
  const error = await lw.loadCifar10(source).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(lw.DataError);
  expect(lw.info().memory.live).toBe(live);
  expect(await stillOpen()).toEqual([]);
  return error as lw.DataError;
}

describe('folders', () => {
  test.each([
    ['of binary batches', binaryFiles(ALL)],
    ['of pickled batches', pickledFiles(ALL)],
    ['around binary batches', binaryFiles(ALL, 'cifar-10-batches-bin/')],
    ['around pickled batches', pickledFiles(ALL, 'cifar-10-batches-py/')],
    ['around both', [...pickledFiles(batches([1, 1, 1, 1, 1, 1]), 'b/'), ...binaryFiles(ALL, 'a/')] as Files],
    ['with more in it', [...binaryFiles(ALL), ['notes.txt', new Uint8Array(9)], ['sub/x', new Uint8Array(9)]] as Files],
  ])('%s', async (name, files) => {
    const folder = await put(name, files);
    await expectAll(folder);
    await expectAll(`${folder}/`);
    await expectAll(pathToFileURL(folder));
    await expectAll(pathToFileURL(folder).href);
  });

  test('progress is counted over all files', async () => {
    const files = binaryFiles(ALL);
    const folder = await put('progress', files);
    const total = files.reduce((sum, [, content]) => sum + content.length, 0);
    const seen: lw.Progress[] = [];
    const data = await lw.loadCifar10(folder, { onProgress: (progress) => seen.push(progress) });
    expect(seen.map(({ total }) => total)).toEqual(Array(7).fill(total));
    expect(seen.at(-1)).toEqual({ loaded: total, total, file: join(folder, 'test_batch.bin') });
    for (const value of Object.values(data)) if (value instanceof lw.Tensor) value.dispose();
  });

  test('failures name the file', async () => {
    const missing = join(root, 'nowhere');
    expect(await refused(missing)).toMatchObject({ file: missing, expected: 'a folder or an archive' });
    const empty = join(root, 'empty');
    await mkdir(empty);
    const error = await refused(empty);
    expect(error.file).toBe(empty);
    expect(error.message).toContain('got none of them');
    const files = binaryFiles(ALL);
    const cut = await put('cut', [
      ...files.slice(1),
      ['data_batch_1.bin', (files[0] as Files[number])[1].subarray(0, 5000)],
    ]);
    expect(await refused(cut)).toMatchObject({ file: join(cut, 'data_batch_1.bin'), offset: 3073 });
    const foreign = await put('foreign', [...files.slice(1), ['data_batch_1.bin', new Uint8Array(3073).fill(60)]]);
    expect((await refused(foreign)).message).toContain('the byte 3c');
    const half = await put('half', files.slice(2));
    expect((await refused(half)).message).toContain('got no data_batch_1, no data_batch_2;');
  });
});

describe('archives', () => {
  test('by path and file URL', async () => {
    const packed = await gzip(tar(binaryFiles(ALL, 'cifar-10-batches-bin/')));
    const folder = await put('archives', [
      ['a.tar.gz', packed],
      ['b.tar', tar(pickledFiles(ALL))],
    ]);
    await expectAll(join(folder, 'a.tar.gz'));
    await expectAll(join(folder, 'b.tar'));
    await expectAll(pathToFileURL(join(folder, 'a.tar.gz')));
  });

  test('files that only look like archives are closed again', async () => {
    const good = await gzip(tar(binaryFiles(ALL)));
    const folder = await put('lookalikes', [
      ['text', new Uint8Array(2000).fill(65)],
      ['short', new Uint8Array(3)],
      ['text.gz', await gzip(new Uint8Array(2000).fill(65))],
      ['cut.tar.gz', good.subarray(0, good.length - 9)],
      ['cut.tar', tar(binaryFiles(ALL)).subarray(0, 20000)],
    ]);
    for (const name of await readdir(folder)) expect((await refused(join(folder, name))).file).toBe(join(folder, name));
  });

  test('long names in all the ways there are', async () => {
    const folder = (length: number) => `${'deep/'.repeat(length / 5)}`;
    // One name in a header has room for 100 bytes, with its prefix for 255; pax and GNU tar know longer ones.
    for (const prefix of [folder(60), folder(120), folder(230), folder(400)]) {
      const entries = binaryFiles(ALL, prefix).map(([name, body]) => ({ header: { name, size: body.length }, body }));
      await expectAll(await packTar([{ header: { name: prefix, size: 0, type: 'directory' }, body: '' }, ...entries]));
    }
    const gnu = binaryFiles(ALL, folder(200)).flatMap(([name, content]) => [
      member('././@LongLink', concat(name, [0]), { type: 'L' }),
      member(name.slice(0, 100), content),
    ]);
    await expectAll(concat(...gnu, END));
  });

  test('sizes and attributes in pax records, numbers in binary', async () => {
    const files = binaryFiles(ALL);
    const packed = files.flatMap(([name, content], k) => {
      const record = (text: string) => `${text.length + 3} ${text}`;
      const pax = concat(record('mtime=1\n'), record(`size=${content.length}\n`));
      const plain = member(name, content, { size: k % 2 ? content.length : 0 });
      return k % 2 ? [member(name, content, { binarySize: true })] : [member('pax', pax, { type: 'x' }), plain];
    });
    await expectAll(concat(member('pax_global_header', concat('12 comment=x'), { type: 'g' }), ...packed, END));
  });

  test('a failure inside names the member', async () => {
    const files = binaryFiles(ALL, 'x/');
    (files[1] as Files[number])[1][3073] = 200;
    const folder = await put('inside', [['a.tar.gz', await gzip(tar(files))]]);
    const error = await refused(join(folder, 'a.tar.gz'));
    expect(error).toMatchObject({ file: join(folder, 'a.tar.gz/x/data_batch_2.bin'), offset: 3073 });
  });

  describe('by URL', () => {
    let server: Server;
    let base: string;
    beforeAll(async () => {
      const packed = await gzip(tar(binaryFiles(ALL)));
      server = createServer((request, response) => {
        if (request.url === '/cifar.tar.gz') response.end(packed);
        else if (request.url === '/cut.tar.gz') {
          response.writeHead(200, { 'content-length': packed.length });
          response.write(packed.subarray(0, packed.length >> 1), () => response.destroy());
        } else response.writeHead(404, 'Not Found').end();
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterAll(() => new Promise((resolve) => server.close(resolve)));

    test('fetched', async () => {
      await expectAll(`${base}/cifar.tar.gz`);
      await expectAll(new URL(`${base}/cifar.tar.gz`));
    });

    test('not there, or broken off', async () => {
      expect((await refused(`${base}/other.tar.gz`)).message).toContain('got 404 Not Found');
      expect((await refused(`${base}/cut.tar.gz`)).file).toBe(`${base}/cut.tar.gz`);
    });
  });

  test('damaged archives give data or a DataError, and leave nothing behind', async () => {
    const one = batches([1, 1, 1, 1, 1, 1]);
    const samples = [tar(binaryFiles(one)), await gzip(tar(binaryFiles(one))), tar(pickledFiles(one))];
    const { live } = lw.info().memory;
    const damage = fc.record({
      which: fc.nat(samples.length - 1),
      keep: fc.double({ min: 0, max: 1, noNaN: true }),
      cut: fc.boolean(),
      // Headers are where the interesting bytes are.
      changes: fc.array(fc.tuple(fc.oneof(fc.nat(600), fc.nat()), fc.nat(255)), { maxLength: 4 }),
    });
    const property = fc.asyncProperty(damage, async ({ which, keep, cut, changes }) => {
      const sample = samples[which] as Uint8Array;
      const bytes = sample.slice(0, cut ? Math.floor(keep * sample.length) : sample.length);
      for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
      try {
        const data = await lw.loadCifar10(bytes);
        for (const value of Object.values(data)) if (value instanceof lw.Tensor) value.dispose();
      } catch (error) {
        if (!(error instanceof lw.DataError)) throw error;
      }
      expect(lw.info().memory.live).toBe(live);
    });
    await fc.assert(property, { numRuns: 400 });
  });
});

test('without a runtime it says so at once', async () => {
  // Checked on a fresh copy of the library, which nobody has started.
  const fresh = await import(`${new URL('../../dist/index.js', import.meta.url).href}?fresh`);
  await expect(fresh.loadCifar10(join(root, 'nowhere'))).rejects.toThrow('await init() first');
});
