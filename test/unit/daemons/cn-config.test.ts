/** `cn.yaml`: its settings, and its faults. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkConfiguration, formatFault } from '#daemon/configuration/config.ts';
import { correspondentNodeSchema } from '../../../daemons/cn/config.ts';

const check = (text: string) => checkConfiguration('cn.yaml', text, correspondentNodeSchema);

describe('cn.yaml', () => {
  it('serves all addresses and home networks of the host unless it says otherwise', () => {
    const result = check('daemon: {}\n');
    expect(result).toMatchObject({
      ok: true,
      value: {
        daemon: { name: 'cn', device: 'sojourn-cn', deviceMtu: 1500 },
        correspondentNode: {
          ...{ deniedHomePrefixes: [], knownHomePrefixes: [], maximumBindings: 10_000 },
          ...{ maximumLifetimeSeconds: 420, packetMtu: 1476, table: 4185, rulePriority: 900 },
        },
      },
    });
  });

  it.each(['cn.yaml', 'cn.minimal.yaml'])('examples/%s passes the check', (name) => {
    const text = readFileSync(join(import.meta.dirname, '../../../examples', name), 'utf8');
    const result = check(text);
    expect(result.ok ? [] : result.faults.map(formatFault)).toEqual([]);
  });
});
