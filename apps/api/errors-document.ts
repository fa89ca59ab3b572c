import { ERRORS, ISSUES } from '#libs/kernel';

/** docs/errors.md, from the catalogue. */
export function errorsDocument(): string {
  const rows = Object.entries(ERRORS)
    .sort(([, a], [, b]) => a.status - b.status)
    .map(([code, { status, title, advice }]) => `### ${code}\n\n${status}: ${title}. ${advice}`);
  const issues = Object.entries(ISSUES).map(([code, meaning]) => `- \`${code}\`: ${meaning}`);
  return [
    '# Errors',
    'Generated from `libs/kernel/errors.ts` by `npm run docs`.',
    'Every refusal is an RFC 9457 problem, `application/problem+json`: `{type, title, status, code, detail, instance, errors?}`. Programs go by `code`; ' +
      '`detail` is for people. `errors` lists every issue of the request as `{pointer, code, message}`, where `pointer` is an RFC 6901 pointer into the body or ' +
      '`?name` for a query parameter. A 503 carries `Retry-After`; the same request with the same idempotency key may then be sent again. ' +
      'So does the 202 of a batch of which some events met a 503.',
    '## Problems',
    ...rows,
    '## Issues',
    issues.join('\n'),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}
