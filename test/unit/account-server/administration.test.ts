/** The operator's commands of the account server, its audit trail and its signing keys. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { AccountScene, granted, PASSWORD } from './account-server-scene.ts';
import { NodeKey } from './node-key.ts';

let scene: AccountScene;
let laptop: NodeKey;

beforeEach(async () => {
  scene = new AccountScene();
  laptop = new NodeKey();
  await scene.request('account-add', {
    name: 'alice',
    password: PASSWORD,
    groups: ['staff', 'größe'],
  });
  await scene.request('account-add', { name: 'bob', password: 'another password' });
});
afterEach(() => scene[Symbol.dispose]());

describe('the audit trail', () => {
  it('contains devices and reasons, and no secret', async () => {
    const enrolmentToken = await scene.token('alice');
    const first = granted(await scene.login(laptop, 'alice', { enrolmentToken }));
    const second = granted(scene.renew(laptop, first.renewalToken));
    await scene.login(laptop, 'alice', { password: 'a wrong one' });
    const trail = JSON.stringify(scene.events);
    expect(scene.events.map(({ name }) => name)).toEqual([
      ...[
        'account-added',
        'account-added',
        'enrolment-token-made',
        'login-granted',
        'renewal-granted',
        'login-refused',
      ],
    ]);
    expect(trail).toContain(hex(nodeIdOf(laptop.publicKey)));
    for (const secret of [
      PASSWORD,
      'a wrong one',
      enrolmentToken,
      first.renewalToken,
      second.renewalToken,
    ]) {
      expect(trail).not.toContain(secret);
    }
  });
});

describe('Authorities', () => {
  const states = () => scene.authorities.list(scene.seconds).map(({ state }) => state);

  it('rotates with notice, and lists a former key until its last credential expires', async () => {
    const old = granted(await scene.login(laptop, 'alice'));
    await scene.request('authority-rotate', { afterSeconds: 600 });
    expect(states()).toEqual(['signs', 'next']);
    await expect(scene.request('authority-rotate')).rejects.toThrow('already scheduled');
    const last = granted(await scene.login(laptop, 'alice'));
    scene.pass(600);
    const fresh = granted(await scene.login(laptop, 'alice'));
    expect(hex(fresh.credential.slice(4, 12))).not.toBe(hex(last.credential.slice(4, 12)));
    expect(states()).toEqual(['former', 'signs']);
    for (const issued of [old, last, fresh])
      expect(scene.verify(issued, laptop)).toMatchObject({ groups: ['staff', 'größe'] });
    scene.restart();
    expect(states()).toEqual(['former', 'signs']);
    scene.nowMs = (last.notAfter + 1) * 1000;
    expect(states()).toEqual(['signs']);
  });

  it('completes a rotation after a restart', async () => {
    await scene.request('authority-rotate', { afterSeconds: 600 });
    const listed = scene.authorities.list(scene.seconds).map(({ keyId }) => hex(keyId));
    scene.restart();
    expect(scene.authorities.list(scene.seconds).map(({ keyId }) => hex(keyId))).toEqual(listed);
    scene.pass(601);
    scene.restart();
    expect(states()).toEqual(['signs']);
    const issued = granted(await scene.login(laptop, 'alice'));
    expect(hex(issued.credential.slice(4, 12))).toBe(listed[1]);
  });

  it('creates a new key when the file is lost, and lists the former one', async () => {
    const old = granted(await scene.login(laptop, 'alice'));
    scene.files.lose('authority');
    scene.restart();
    expect(states().sort()).toEqual(['former', 'signs']);
    expect(scene.verify(old, laptop)).toMatchObject({ name: 'alice.nodes.example' });
    expect(scene.verify(granted(await scene.login(laptop, 'alice')), laptop)).toMatchObject({
      name: 'alice.nodes.example',
    });
  });
});

describe('Administration', () => {
  it.each([
    ['an existing name', { name: 'alice' }, 'already exists'],
    ['a name that is not a label', { name: 'Alice' }, 'name: must be a label'],
    [
      'a short password',
      { name: 'carol', password: 'short' },
      'password: has fewer than 8 characters',
    ],
    [
      'a name outside the zone',
      { name: 'carol', fqdn: 'carol.example' },
      'is not a name below nodes.example',
    ],
    [
      'a name below that of an account',
      { name: 'carol', fqdn: 'x.alice.nodes.example' },
      'overlaps the names of account',
    ],
    [
      'a name above that of an account',
      { name: 'carol', fqdn: 'nodes.example' },
      'not a name below',
    ],
    [
      'a group name that is too long',
      { name: 'carol', groups: ['x'.repeat(64)] },
      'groups.0: must be',
    ],
    [
      'too many groups',
      { name: 'carol', groups: Array.from({ length: 17 }, String) },
      'groups: more than 16',
    ],
    ['an unknown parameter', { name: 'carol', grups: [] }, 'grups'],
  ])('adds no account with %s', async (_what, parameters, message) => {
    await expect(scene.request('account-add', parameters)).rejects.toThrow(message);
    expect(await scene.request('account-list')).toHaveLength(2);
  });

  it('refuses an unknown account and an unknown command', async () => {
    await expect(scene.request('account-disable', { name: 'carol' })).rejects.toThrow('no account');
    await expect(scene.request('toString')).rejects.toThrow('unknown command');
  });

  it('does not repeat a password in an error', async () => {
    const secret = 'geheim';
    await expect(
      scene.request('account-add', { name: 'carol', password: secret }),
    ).rejects.not.toThrow(secret);
  });

  it('lists and removes devices', async () => {
    granted(await scene.login(laptop, 'alice', { password: PASSWORD, device: 'laptop' }));
    const nodeId = hex(nodeIdOf(laptop.publicKey));
    expect(await scene.request('device-list', { name: 'alice' })).toMatchObject([
      { device: 'laptop.alice.nodes.example', account: 'alice', nodeId, virtualIpv4: '198.18.0.1' },
    ]);
    await scene.request('device-remove', { device: nodeId });
    await expect(scene.request('device-remove', { device: nodeId })).rejects.toThrow('no device');
    expect(await scene.request('device-list')).toEqual([]);
  });
});
