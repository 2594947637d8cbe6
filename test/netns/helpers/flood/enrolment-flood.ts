/**
 * Sends many requests to be enrolled with a wrong secret, each with a key of its own, and prints
 * the outcomes by kind. It takes the line and the number of requests as arguments.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isMalformed } from '#base/bytes.ts';
import { exchangeEnrolment } from '#composition/enrolment/enrolment-exchange.ts';
import { parseEnrolmentLine } from '#crypto/enrolment-line.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import { randomBytes } from '#host/process/random.ts';

const WAIT_MS = 1_500;

const [text = '', count = '0'] = process.argv.slice(2);
const line = parseEnrolmentLine(text);
if (isMalformed(line)) throw new Error(line.reason);
const outcomes: Record<string, number> = {};
const attempts = Array.from({ length: Number(count) }, async () => {
  const secret = randomBytes(line.secret.length);
  const { kind } = await exchangeEnrolment({ ...line, secret }, keyPairOf(randomBytes(32)));
  outcomes[kind] = (outcomes[kind] ?? 0) + 1;
});
await Promise.race([Promise.all(attempts), delay(WAIT_MS)]);
process.stdout.write(`${JSON.stringify(outcomes)}\n`);
// Requests without an answer would go on.
process.exit(0);
