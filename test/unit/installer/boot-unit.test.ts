/** The unit that closes the host at boot, without systemd. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const UNITS = new URL('../../../systemd/', import.meta.url).pathname;
const unit = (name: string): string => readFileSync(join(UNITS, name), 'utf8');

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'boot-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('loads the rules of a second daemon although those of the first one fail', () => {
  for (const name of ['mn', 'mr']) {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, `${name}-killswitch.nft`), '');
  }
  const nft = join(directory, 'nft');
  writeFileSync(
    nft,
    `#!/bin/sh\necho "$2" >> ${directory}/loaded\ncase $2 in *mn-*) exit 1;; esac\n`,
  );
  chmodSync(nft, 0o755);
  const [, script = ''] =
    /^ExecStart=\/bin\/sh -c '(.*)'$/m.exec(unit('killswitch-sojourn.service')) ?? [];
  const own = script.replaceAll('$$', '$').replaceAll('/var/lib/sojourn', directory);
  const { status } = spawnSync('sh', ['-c', own], {
    env: { PATH: `${directory}:${process.env['PATH']}` },
  });
  expect(status).toBe(1);
  expect(readFileSync(join(directory, 'loaded'), 'utf8').trim().split('\n')).toEqual(
    ['mn', 'mr'].map((name) => join(directory, name, `${name}-killswitch.nft`)),
  );
});

it('starts at each boot, whichever unit is enabled', () => {
  expect(unit('sysinit.target.d/sojourn.conf')).toContain('Wants=killswitch-sojourn.service');
  for (const name of ['sojourn-mn.service', 'sojourn-mr.service', 'killswitch-sojourn.service'])
    expect(unit(name)).not.toMatch(/^(Also=|WantedBy=sysinit)/m);
  expect(unit('killswitch-sojourn.service')).toMatch(
    /^ConditionPathExistsGlob=\/var\/lib\/sojourn\/\*\/\*-killswitch\.nft$/m,
  );
});
