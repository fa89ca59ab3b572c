/** What a stream's name says: `<category>-<tenant>_<id>`. */
export interface StreamName {
  readonly category: string;
  /** Tenant and environment in one. No underscore, no dash. */
  readonly tenant: string;
  /** Id of the object whose stream it is, such as the customer's. */
  readonly entityId: string;
}

/** The name of an object's stream; its id is percent-encoded where a stream name may not carry it. */
export const streamName = (category: string, tenant: string, id: string): string =>
  `${category}-${tenant}_${/^[A-Za-z0-9_.:@~-]*$/.test(id) ? id : encodeURIComponent(id)}`;

/** Takes a stream's name apart. @throws Error when it is none of ours */
export function streamParts(stream: string): StreamName {
  const dash = stream.indexOf('-');
  const underscore = stream.indexOf('_', dash);
  if (dash < 1 || underscore < 0) throw new Error(`stream ${stream} has no tenant`);
  const id = stream.slice(underscore + 1);
  return {
    category: stream.slice(0, dash),
    tenant: stream.slice(dash + 1, underscore),
    entityId: id.includes('%') ? decodeURIComponent(id) : id,
  };
}

/** The category in a stream's name. */
export const categoryOf = (stream: string): string => stream.slice(0, stream.indexOf('-'));

/** The tenant in a stream's name. */
export const tenantOfStream = (name: string): string => name.slice(name.indexOf('-') + 1, name.indexOf('_'));
