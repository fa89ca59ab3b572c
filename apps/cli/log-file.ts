import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline as connect } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';

/** The file cannot be used; the message says why and needs no stack. */
export class FileUnusable extends Error {
  override readonly name = 'FileUnusable';
}

/** More than any event an adapter accepts, written out. A longer line is none of ours. */
const LONGEST_LINE = 8 * 1024 * 1024;
const CHUNK = 256 * 1024;

/**
 * Writes a compressed file. Until it is complete and on disk it has another name, so that what stands under `file` is always
 * whole; what is interrupted is removed (a process that is killed leaves `<file>.<pid>.partial` behind, which may be deleted).
 * Only the owner may read it, for it holds all that the log holds.
 * @throws FileUnusable when there is a file of this name already, or it cannot be written; what `fill` throws
 */
export async function writeCompressed<Result>(
  file: string,
  fill: (write: (text: string) => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  if (exists) throw new FileUnusable(`${file} exists already`);
  const partial = `${file}.${process.pid}.partial`;
  const gzip = createGzip({ chunkSize: CHUNK });
  const written = pipeline(gzip, createWriteStream(partial, { flags: 'wx', mode: 0o600, flush: true })).catch(
    unusable,
  );
  written.catch(() => undefined); // heard by whoever writes next
  try {
    const result = await fill(async (text) => {
      if (!gzip.write(text)) await Promise.race([once(gzip, 'drain'), written]);
    });
    gzip.end();
    await written;
    await rename(partial, file).catch(unusable);
    await syncFolder(dirname(file));
    return result;
  } catch (error) {
    gzip.destroy();
    await written.catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
}

/**
 * The lines of a compressed file, without their line feeds.
 * @param onRead told how many bytes of the file were read, and its size
 * @throws FileUnusable when it cannot be opened; Error when it is damaged, not compressed, or not lines of UTF-8
 */
export async function* readCompressedLines(
  file: string,
  onRead: (bytes: number, of: number) => void = () => undefined,
): AsyncGenerator<string> {
  const handle = await open(file).catch(unusable);
  const { size } = await handle.stat();
  const source = createReadStream(file, { fd: handle, highWaterMark: CHUNK });
  const gunzip = createGunzip({ chunkSize: CHUNK });
  connect(source, gunzip, () => undefined); // an error reaches the loop below
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let rest = '';
  for await (const chunk of gunzip) {
    const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n');
    rest = lines.pop()!;
    if (rest.length > LONGEST_LINE) throw new Error('the line is too long');
    yield* lines;
    onRead(source.bytesRead, size);
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}

/** Makes the new name survive a crash. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder).catch(() => undefined); // not every platform opens folders
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

function unusable(cause: unknown): never {
  throw new FileUnusable(cause instanceof Error ? cause.message : String(cause), { cause });
}
