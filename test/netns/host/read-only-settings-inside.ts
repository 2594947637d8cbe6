/**
 * Runs inside the lab, where /proc/sys may be read-only: reports how forwarding can be enabled, and
 * the error for a setting that cannot be written.
 */
import { readFileSync } from 'node:fs';
import { forwardingControl, SysctlSettings } from '#host/kernel/sysctl.ts';
import { SystemError } from '#host/process/system-error.ts';
import { requireLab } from '#lab/enter.ts';

requireLab();
const path = 'net/ipv6/conf/lo/hop_limit';
const present = readFileSync(`/proc/sys/${path}`, 'utf8').trim();
const keeper = new SysctlSettings('/run/sojourn/test-sysctl.json');
keeper.set({ path, value: present });
let refusal = { code: 'none', message: '' };
try {
  keeper.set({ path, value: '77' });
} catch (thrown) {
  if (!(thrown instanceof SystemError)) throw thrown;
  refusal = { code: thrown.code, message: thrown.message };
}
const value = readFileSync(`/proc/sys/${path}`, 'utf8').trim();
keeper.restoreAll();
console.log(JSON.stringify({ control: forwardingControl(), present, value, refusal }));
