/**
 * Adds the lab's accounts like an operator, as soon as the account server answers. Keeps existing
 * accounts.
 */
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { passwordOf } from './seed.ts';

const TRIES = 100;

function sojourn(
  input: string,
  ...args: readonly string[]
): { readonly code: number; readonly text: string } {
  const { status, stdout, stderr } = spawnSync('sojourn', args, { input, encoding: 'utf8' });
  return { code: status ?? 1, text: `${stdout}${stderr}` };
}

for (const account of ['mn2', 'mn3']) {
  for (let tries = 1; ; tries += 1) {
    const { code, text } = sojourn(`${passwordOf(account)}\n`, 'as', 'account', 'add', account);
    if (code === 0 || text.includes('already')) break;
    if (tries === TRIES) throw new Error(`no account for ${account}: ${text}`);
    await delay(200);
  }
}
