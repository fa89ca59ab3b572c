import { connect, type Socket } from 'node:net';

/** Connections that stay open, for a load whose sender must cost less than what answers it. */
export interface KeepAlive {
  /** Sends a GET over a connection that is free, or the next one that is. @returns the status of the answer */
  get(path: string): Promise<number>;
  /** The same with a POST of JSON. */
  post(path: string, body: object, headers?: Readonly<Record<string, string>>): Promise<number>;
  close(): void;
}

/** @param url of a server whose answers have a `content-length` */
export function keepAlive(
  url: string,
  headers: Readonly<Record<string, string>>,
  connections: number,
): KeepAlive {
  const { hostname, port, host } = new URL(url);
  const lines = linesOf({ host, ...headers });
  const free: Connection[] = Array.from({ length: connections }, () =>
    openConnection(Number(port), hostname),
  );
  const all = [...free];
  const waiting: ((connection: Connection) => void)[] = [];
  async function send(request: string): Promise<number> {
    const connection = free.pop() ?? (await new Promise<Connection>((resolve) => waiting.push(resolve)));
    try {
      return await connection.send(request);
    } finally {
      const next = waiting.shift();
      if (next) next(connection);
      else free.push(connection);
    }
  }
  return {
    get: (path) => send(`GET ${path} HTTP/1.1\r\n${lines}\r\n`),
    post: (path, body, own = {}) => {
      const text = JSON.stringify(body);
      const length = linesOf({ ...own, 'content-length': String(Buffer.byteLength(text)) });
      return send(`POST ${path} HTTP/1.1\r\n${lines}${length}\r\n${text}`);
    },
    close: () => all.forEach(({ socket }) => socket.destroy()),
  };
}

const linesOf = (headers: Readonly<Record<string, string>>): string =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');

interface Connection {
  readonly socket: Socket;
  send(request: string): Promise<number>;
}

/** Of an answer, at most. */
const BYTES_READ = 16_384;

/** One request at a time. What is read goes into one buffer: a sender that collects garbage is late. */
function openConnection(port: number, host: string): Connection {
  let received = '';
  let answered: ((status: number) => void) | undefined;
  let failed: ((error: Error) => void) | undefined;
  const read = (length: number, buffer: Uint8Array): boolean => {
    received += (buffer as Buffer).toString('latin1', 0, length);
    const end = received.indexOf('\r\n\r\n');
    if (end < 0) return true;
    const size = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1]);
    if (received.length < end + 4 + size) return true;
    const status = Number(received.slice(9, 12));
    received = '';
    answered?.(status);
    return true;
  };
  const socket = connect({
    port,
    host,
    noDelay: true,
    onread: { buffer: Buffer.alloc(BYTES_READ), callback: read },
  });
  socket.on('error', (error) => failed?.(error));
  return {
    socket,
    send: (request) =>
      new Promise((resolve, reject) => {
        answered = resolve;
        failed = reject;
        socket.write(request);
      }),
  };
}
