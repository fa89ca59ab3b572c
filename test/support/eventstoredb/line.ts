import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A line to a server. What uses it at present can be left hanging: open, and as silent as if the other side had vanished. */
export interface Line {
  readonly url: string;
  /** Connections taken since the start. */
  readonly connections: () => number;
  hang(): void;
  close(): Promise<void>;
}

export async function openLine(port: number): Promise<Line> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let connections = 0;
  const server = createServer((near) => {
    connections++;
    const far = connect(port, '127.0.0.1');
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const socket of pair)
      socket.on('error', () => {}).on('close', () => pair.forEach((end) => end.destroy()));
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `esdb://127.0.0.1:${(server.address() as AddressInfo).port}?tls=false`,
    connections: () => connections,
    hang: () => {
      for (const [near, far] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
        near.pause();
        far.pause();
      }
    },
    close: async () => {
      for (const pair of pairs) pair.forEach((end) => end.destroy());
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
