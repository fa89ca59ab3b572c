/** An answer as it came: the text for comparing bytes, the body for looking inside. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: any;
}

export type ExtraHeaders = Readonly<Record<string, string>>;

/** A body that goes out as it is when it is a text, else as JSON. */
export type Payload = string | Uint8Array | object | null;

export interface Client {
  get(path: string, headers?: ExtraHeaders): Promise<Answer>;
  post(path: string, body: Payload, headers?: ExtraHeaders): Promise<Answer>;
  patch(path: string, body: Payload, headers?: ExtraHeaders): Promise<Answer>;
  delete(path: string, headers?: ExtraHeaders): Promise<Answer>;
  send(method: string, path: string, body?: Payload, headers?: ExtraHeaders): Promise<Answer>;
  /** Every entry of a list, page by page to its end. */
  all(path: string, limit?: number): Promise<any[]>;
}

/** A small client of the HTTP API, with or without a key. It knows nothing of the code behind it. */
export function createClient(url: string, key?: string): Client {
  async function send(
    method: string,
    path: string,
    body?: Payload,
    headers: ExtraHeaders = {},
  ): Promise<Answer> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: payloadOf(body) }),
    });
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: /[/+]json/.test(type) && text !== '' ? JSON.parse(text) : undefined,
    };
  }

  return {
    send,
    get: (path, headers) => send('GET', path, undefined, headers),
    post: (path, body, headers) => send('POST', path, body, headers),
    patch: (path, body, headers) => send('PATCH', path, body, headers),
    delete: (path, headers) => send('DELETE', path, undefined, headers),
    async all(path, limit = 1000) {
      const found: any[] = [];
      let cursor: string | null = null;
      do {
        const join = path.includes('?') ? '&' : '?';
        const next: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
        const page: Answer = await send('GET', `${path}${join}limit=${limit}${next}`);
        if (page.status !== 200) throw new Error(`GET ${path}: ${page.status} ${page.text}`);
        if (page.body.data.length > limit) throw new Error(`GET ${path}: more than ${limit} on a page`);
        found.push(...page.body.data);
        cursor = page.body.nextCursor;
      } while (cursor !== null);
      return found;
    },
  };
}

const payloadOf = (body: Payload): string | Uint8Array<ArrayBuffer> =>
  typeof body === 'string'
    ? body
    : body instanceof Uint8Array
      ? (body as Uint8Array<ArrayBuffer>)
      : JSON.stringify(body);
