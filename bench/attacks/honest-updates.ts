/**
 * Registrations of one mobile node, again and again: each attempt is the operator's command
 * `reregister`, and ends when the home agent has acknowledged the Binding Update. Prints `ready`,
 * then one attempt a line (see {@link HonestClients}).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { JsonValue } from '#base/json.ts';
import { ask } from '#daemon/control/control-client.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import { nowMs } from '#lab/shell.ts';
import { PATIENCE_MS } from './attack.ts';

interface HonestUpdatesOptions {
  readonly socket: string;
}

const options: HonestUpdatesOptions = JSON.parse(process.argv[2] ?? '');
const POLL_MS = 10;
/** RFC 6275 §11.8 limits Binding Updates to three a second. */
const PAUSE_MS = 400;

async function registration(): Promise<{ sequence: number; acknowledged: boolean } | undefined> {
  const { value } = await ask(options.socket, 'bindings', {});
  const list: readonly JsonValue[] = Array.isArray(value) ? value : [];
  const [first] = list.filter(isJsonObject);
  if (first === undefined) return undefined;
  return { sequence: Number(first['sequence']), acknowledged: first['acknowledged'] === true };
}

async function register(at: number): Promise<boolean> {
  const before = (await registration())?.sequence;
  await ask(options.socket, 'reregister', {});
  while (nowMs() - at < PATIENCE_MS) {
    const now = await registration();
    if (now?.acknowledged === true && now.sequence !== before) return true;
    await delay(POLL_MS);
  }
  return false;
}

async function attempt(): Promise<void> {
  const at = nowMs();
  // A daemon that does not answer its operator in time is a failed attempt, too.
  const late = delay(PATIENCE_MS, false);
  const granted = await Promise.race([register(at).catch(() => false), late]);
  console.log(JSON.stringify({ at, ms: granted ? nowMs() - at : null }));
}

console.log('ready');
for (;;) {
  await attempt();
  await delay(PAUSE_MS);
}
