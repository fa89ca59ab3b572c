/** Postgres arrays in their binary form: `pg` sends a Buffer as it is, where a JS array costs quoting and parsing of every element. */

/** Object ids of the element types, fixed in every Postgres. */
const INT8 = 20;
const TEXT = 25;
const JSON_TEXT = 114;
const UUID = 2950;
const HEADER = 20;

export function textArray(
  values: readonly string[],
  elementType: typeof TEXT | typeof JSON_TEXT = TEXT,
): Buffer {
  let size = HEADER;
  for (const value of values) size += 4 + Buffer.byteLength(value);
  const array = header(elementType, values.length, size);
  let at = HEADER;
  for (const value of values) {
    const length = array.write(value, at + 4);
    at = array.writeInt32BE(length, at) + length;
  }
  return array;
}

export const jsonArray = (values: readonly string[]): Buffer => textArray(values, JSON_TEXT);

/** @param values safe integers */
export function bigintArray(values: readonly number[]): Buffer {
  const array = header(INT8, values.length, HEADER + 12 * values.length);
  let at = HEADER;
  for (const value of values) {
    at = array.writeInt32BE(8, at);
    at = array.writeInt32BE(Math.floor(value / 2 ** 32), at);
    at = array.writeUInt32BE(value >>> 0, at);
  }
  return array;
}

/** @param values UUIDs in their usual form of 36 characters */
export function uuidArray(values: readonly string[]): Buffer {
  const array = header(UUID, values.length, HEADER + 20 * values.length);
  let at = HEADER;
  for (const value of values) {
    at = array.writeInt32BE(16, at);
    at += array.write(value.replaceAll('-', ''), at, 'hex');
  }
  return array;
}

/** One dimension from subscript 1 on, without nulls. */
function header(elementType: number, length: number, size: number): Buffer {
  const array = Buffer.allocUnsafe(size);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(0, 4);
  array.writeInt32BE(elementType, 8);
  array.writeInt32BE(length, 12);
  array.writeInt32BE(1, 16);
  return array;
}
