/** Enrolment at a home agent. docs/reference/enrolment.md. */
import { describe, expect, it } from 'vitest';
import { isMalformed } from '#base/bytes.ts';
import { formatPrefix, ipv4 } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import { formatEnrolmentLine, parseEnrolmentLine } from '#crypto/enrolment-line.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import { EnrolmentScene } from './enrolment-scene.ts';
import { ALICE, CONFIGURATION, HOME_ADDRESS, HOME_AGENT, prefix } from './home-agent-scene.ts';

const DAY_MS = 86_400_000;
const POOL = { prefixPool: prefix('2001:db8:2::/62') };

function changed(text: string, change: object): string {
  const line = parseEnrolmentLine(text);
  if (isMalformed(line)) throw new Error(line.reason);
  return formatEnrolmentLine({ ...line, ...change });
}

describe('an enrolment', () => {
  it('gives a node its address once, and another key nothing', () => {
    const scene = new EnrolmentScene();
    const line = scene.add('laptop');
    expect(scene.row('laptop')).toMatchObject({ state: 'waiting', publicKey: null });
    expect(scene.ask('status').value).toMatchObject({ mobileNodes: 1 });
    const outcome = scene.use(line);
    expect(outcome).toMatchObject({
      kind: 'granted',
      grant: { homePrefixLength: 64, ipv4HomeAddress: 'none', virtualHomeNetwork: true },
    });
    expect(scene.row('laptop')).toMatchObject({ state: 'enrolled' });
    expect(scene.ask('status').value).toMatchObject({ mobileNodes: 2 });
    const before = JSON.stringify([...scene.store]);
    expect(scene.use(line)).toEqual({ kind: 'refused', reason: 'used' });
    expect(JSON.stringify([...scene.store])).toBe(before);
    expect(scene.counter('enrolment-granted')).toBe(1);
    expect(scene.counter('enrolment-used')).toBe(1);
  });

  it('answers the same node again, whose answer was lost', () => {
    const scene = new EnrolmentScene();
    const line = scene.add('laptop');
    const first = scene.use(line, { seed: 'one' });
    scene.pass(3000);
    expect(scene.use(line, { seed: 'one' })).toEqual(first);
    expect(scene.counter('enrolment-repeated')).toBe(1);
    scene.pass(DAY_MS);
    expect(scene.use(line, { seed: 'one' })).toEqual({ kind: 'refused', reason: 'expired' });
  });

  it('expires, and its address is free again', () => {
    const scene = new EnrolmentScene();
    const line = scene.add('laptop', { expiresSeconds: 60, homeAddress: '2001:db8:1::abc' });
    scene.pass(60_000);
    expect(scene.row('laptop')).toMatchObject({ state: 'expired' });
    expect(scene.use(line)).toEqual({ kind: 'refused', reason: 'expired' });
    expect(scene.counter('enrolment-expired')).toBe(1);
    scene.add('phone', { homeAddress: '2001:db8:1::abc' });
    scene.add('laptop');
  });

  it('stays expired when its address went to another and the clock is set back', () => {
    const scene = new EnrolmentScene();
    const line = scene.add('laptop', { expiresSeconds: 60, homeAddress: '2001:db8:1::abc' });
    scene.pass(60_000);
    const kept = scene.store.get('enrolment laptop');
    const other = scene.add('phone', { homeAddress: '2001:db8:1::abc' });
    expect(scene.use(other)).toMatchObject({ kind: 'granted' });
    scene.setClock(-120_000);
    expect(scene.use(line)).toEqual({ kind: 'refused', reason: 'unknown' });
    expect(scene.ask('status').value).toMatchObject({ mobileNodes: 2 });
    // A record of a former release, which kept both.
    scene.store.set('enrolment laptop', kept ?? null);
    const again = new EnrolmentScene({}, scene);
    again.setClock(-120_000);
    expect(again.use(line, { seed: 'one' })).toEqual({ kind: 'refused', reason: 'conflict' });
    expect(again.ask('status').value).toMatchObject({ mobileNodes: 2 });
  });

  it('refuses a wrong secret and a wrong name alike', () => {
    const scene = new EnrolmentScene();
    const line = scene.add('laptop');
    const refused = { kind: 'refused', reason: 'unknown' };
    expect(scene.use(changed(line, { secret: new Uint8Array(16) }))).toEqual(refused);
    expect(scene.use(changed(line, { name: 'other' }))).toEqual(refused);
    expect(scene.counter('enrolment-unknown')).toBe(2);
    expect(scene.events.at(-1)?.fields['identifier']).toBeUndefined();
    expect(scene.use(line)).toMatchObject({ kind: 'granted' });
  });

  it('gets no answer from another home agent', () => {
    const line = new EnrolmentScene({}, undefined, 'another').add('laptop');
    const scene = new EnrolmentScene();
    expect(scene.use(line)).toEqual({ kind: 'silent' });
    expect(scene.counter('initiation-mac')).toBe(1);
  });

  it('survives a restart before and after its use', () => {
    const first = new EnrolmentScene(POOL);
    const line = first.add('van', { router: true });
    const second = new EnrolmentScene(POOL, first);
    const outcome = second.use(line, { seed: 'van' });
    expect(outcome).toMatchObject({
      grant: { mobileNetworkPrefixes: [prefix('2001:db8:2::/64')] },
    });
    second.pass(1000);
    const third = new EnrolmentScene(POOL, second);
    expect(third.use(line, { seed: 'thief' })).toEqual({ kind: 'refused', reason: 'used' });
    expect(third.use(line, { seed: 'van' })).toEqual(outcome);
    expect(third.ask('prefixes').value).toMatchObject([{ prefix: '2001:db8:2::/64' }]);
  });

  it('gives a node the group of the operator, also after a restart', () => {
    const scene = new EnrolmentScene();
    scene.use(scene.add('laptop', { group: 'family' }));
    const again = new EnrolmentScene({}, scene);
    for (const one of [scene, again])
      expect(one.row('laptop')).toMatchObject({ state: 'enrolled', group: 'family' });
    expect(scene.ask('enroll-add', { name: 'phone', group: '' })).toMatchObject({ ok: false });
    expect(scene.ask('enroll-add', { name: 'phone', group: 7 })).toMatchObject({ ok: false });
  });

  it('keeps no secret in the store', () => {
    const scene = new EnrolmentScene();
    const parsed = parseEnrolmentLine(scene.add('laptop'));
    if (isMalformed(parsed)) throw new Error(parsed.reason);
    const secret = Buffer.from(parsed.secret).toString('hex');
    expect(JSON.stringify([...scene.store])).not.toContain(secret);
    expect(JSON.stringify(scene.events)).not.toContain(secret);
  });

  it('ends with its revocation, and its name can be used again', () => {
    const scene = new EnrolmentScene();
    const line = scene.add('laptop');
    const first = scene.use(line, { seed: 'one' });
    expect(scene.ask('enroll-revoke', { name: 'laptop' })).toEqual({
      ok: true,
      value: { name: 'laptop', wasEnrolled: true },
    });
    expect(scene.ask('status').value).toMatchObject({ mobileNodes: 1 });
    scene.pass(1000);
    expect(scene.use(line, { seed: 'one' })).toEqual({ kind: 'refused', reason: 'unknown' });
    expect(scene.use(scene.add('laptop'), { seed: 'two' })).toEqual(first);
    expect(scene.ask('enroll-revoke', { name: 'phone' }).ok).toBe(false);
  });
});

describe('grants of an enrolment', () => {
  it('lie inside the home prefix, and differ by name and by home agent', () => {
    const scene = new EnrolmentScene();
    const other = new EnrolmentScene({}, undefined, 'another');
    const names = Array.from({ length: 200 }, (_, at) => `node${at}`);
    const addresses = names.flatMap((name) =>
      [scene, other].map((one) => {
        const line = one.add(name);
        expect(line).toMatch(/^SOJOURN:[A-Z2-7]+$/);
        const row = one.row(name);
        return isJsonObject(row) ? String(row['homeAddress']) : '';
      }),
    );
    expect(new Set(addresses).size).toBe(400);
    for (const address of addresses) expect(address.startsWith('2001:db8:1:')).toBe(true);
  });

  it('take prefixes of the pool that no other router has', () => {
    const mobileNodes = [{ ...ALICE, mobileNetworkPrefixes: [prefix('2001:db8:2:1::/64')] }];
    const scene = new EnrolmentScene({ ...POOL, mobileNodes });
    const prefixes = ['a', 'b', 'c'].map((name) => {
      scene.add(name, { router: true });
      return scene.row(name);
    });
    expect(prefixes).toMatchObject([
      { mobileNetworkPrefixes: ['2001:db8:2::/64'] },
      { mobileNetworkPrefixes: ['2001:db8:2:2::/64'] },
      { mobileNetworkPrefixes: ['2001:db8:2:3::/64'] },
    ]);
    expect(scene.ask('enroll-add', { name: 'd', router: true }).value).toMatch(/no free \/64/);
    scene.ask('enroll-revoke', { name: 'b' });
    scene.add('d', { router: true });
    expect(scene.row('d')).toMatchObject({ mobileNetworkPrefixes: ['2001:db8:2:2::/64'] });
  });

  it('end when every address of a small home prefix is given, and go on after a revocation', () => {
    const scene = new EnrolmentScene({ homePrefixes: [prefix('2001:db8:1::40/124')] });
    const refused = Array.from({ length: 16 }, (_, at) => `node${at}`).filter(
      (name) => !scene.ask('enroll-add', { name }).ok,
    );
    // The subnet-router anycast address (RFC 4291 §2.6.1) is no host's.
    expect(refused).toEqual(['node15']);
    expect(scene.ask('enroll-add', { name: 'node15' }).value).toMatch(/no free address/);
    scene.ask('enroll-revoke', { name: 'node3' });
    expect(scene.ask('enroll-add', { name: 'node15' }).ok).toBe(true);
  });

  it.each([
    [{ name: '-' }, /^name: /],
    [{ name: 'alice@example.org' }, /the configuration has a mobile node/],
    [{ homeAddress: String(HOME_ADDRESS) }, /belongs to the configuration/],
    [{ homeAddress: '2001:db8:1::1' }, /belongs to this home agent/],
    [{ homeAddress: '2001:db8:9::1' }, /outside homePrefixes/],
    [{ homeAddress: 'fe80::1' }, /not a global unicast address/],
    [{ homeAddress: 'x' }, /not an IPv6 address/],
    [{ ipv4HomeAddress: 'dynamic' }, /no ipv4Pool/],
    [{ ipv4HomeAddress: '198.51.100.5' }, /belongs to the configuration/],
    [{ ipv4HomeAddress: '192.0.2.9' }, /outside ipv4HomePrefixes/],
    [{ prefixes: ['2001:db8::/32'] }, /contains the home prefix/],
    [{ prefixes: ['2001:db8:7::'] }, /not a unicast prefix/],
    [{ prefixes: ['2001:db8:7::/64', '2001:db8:7::/63'] }, /given twice/],
    [{ prefixes: Array.from({ length: 5 }, (_, at) => `2001:db8:7:${at}::/64`) }, /at most 4/],
    [{ router: true }, /no prefixPool/],
    [{ expiresSeconds: 59 }, /expires/],
    [{ expiresSeconds: 31 * 86_400 }, /expires/],
  ])('end in a refusal when they are impossible or taken: %j', (parameters, reason) => {
    const scene = new EnrolmentScene();
    const { ok, value } = scene.ask('enroll-add', { name: 'laptop', ...parameters });
    expect({ ok, value }).toEqual({ ok: false, value: expect.stringMatching(reason) });
    expect(scene.store.size).toBe(0);
  });

  it('end in a refusal when no node can reach the home agent’s port', () => {
    const scene = new EnrolmentScene({ udpPort: 4192 });
    expect(scene.ask('enroll-add', { name: 'laptop' })).toEqual({
      ok: false,
      value: 'nodes register at port 4191 only; remove udpPort: 4192',
    });
  });

  it('stay with a name that waits or is enrolled', () => {
    const scene = new EnrolmentScene();
    const line = scene.add('laptop');
    expect(scene.ask('enroll-add', { name: 'laptop' }).value).toMatch(/already waiting/);
    scene.use(line);
    expect(scene.ask('enroll-add', { name: 'laptop' }).value).toMatch(/already enrolled/);
  });
});

describe('routes to prefixes that no binding has', () => {
  const unreachable = (scene: EnrolmentScene): readonly string[] =>
    [...scene.desired.values()]
      .flatMap((part) => part?.routes ?? [])
      .filter(({ device }) => device === undefined)
      .map(({ destination }) => formatPrefix(destination));

  it('lead nowhere for the whole pool, and for prefixes beside it once they are granted', () => {
    const scene = new EnrolmentScene(POOL);
    expect(unreachable(scene)).toContain('2001:db8:2::/62');
    const inside = scene.add('van', { router: true });
    const beside = scene.add('bus', { prefixes: ['2001:db8:7::/64'] });
    expect(unreachable(scene)).not.toContain('2001:db8:7::/64');
    scene.use(inside);
    scene.use(beside);
    expect(unreachable(scene)).toEqual(
      expect.arrayContaining(['2001:db8:2::/62', '2001:db8:2::/64', '2001:db8:7::/64']),
    );
  });

  it('exist once for a pool that one router has whole', () => {
    const scene = new EnrolmentScene({ prefixPool: prefix('2001:db8:2::/64') });
    scene.use(scene.add('van', { router: true }));
    expect(unreachable(scene).filter((text) => text === '2001:db8:2::/64')).toHaveLength(1);
  });
});

describe('a configuration beside enrolments', () => {
  it('wins when it gives the address to another node, says so, and gives it back later', () => {
    const scene = new EnrolmentScene();
    const line = scene.add('laptop', { homeAddress: '2001:db8:1::abc' });
    scene.use(line);
    const { mobileNodes } = CONFIGURATION;
    const bob = {
      ...{ ...ALICE, identifier: 'bob', homeAddresses: [], ipv4HomeAddresses: [] },
      mobileNetworkPrefixes: [prefix('2001:db8:1::abc/128')],
    };
    scene.reconfigure({ mobileNodes: [...mobileNodes, bob] });
    expect(scene.eventNames().filter((name) => name === 'enrolment-conflict')).toHaveLength(1);
    expect(scene.row('laptop')).toMatchObject({
      state: 'conflict',
      conflict: expect.stringContaining('bob'),
    });
    expect(scene.ask('status').value).toMatchObject({ mobileNodes: 2 });
    scene.reconfigure({ mobileNodes });
    expect(scene.row('laptop')).toMatchObject({ state: 'enrolled', conflict: null });
    expect(scene.ask('status').value).toMatchObject({ mobileNodes: 2 });
  });

  it('wins over a name', () => {
    const scene = new EnrolmentScene();
    const line = scene.add('laptop');
    const named = { ...ALICE, identifier: 'laptop', ipv4HomeAddresses: [ipv4('198.51.100.6')] };
    scene.reconfigure({ mobileNodes: [named] });
    expect(scene.use(line)).toEqual({ kind: 'refused', reason: 'conflict' });
    expect(scene.counter('enrolment-conflict')).toBe(1);
  });
});

describe('requests to be enrolled', () => {
  it('get no answer beyond the rate of a source prefix, and those of others do', () => {
    const scene = new EnrolmentScene();
    const line = scene.add('laptop');
    const wrong = changed(line, { secret: new Uint8Array(16) });
    const outcomes = Array.from({ length: 40 }, () => scene.use(wrong).kind);
    expect(outcomes.filter((kind) => kind === 'refused')).toHaveLength(10);
    expect(scene.counter('enrolment-rate-limited')).toBe(30);
    expect(scene.use(line, { source: '2001:db8:b::7' })).toMatchObject({ kind: 'granted' });
  });

  it('get an answer if they have the secret, whatever others sent from the same address', () => {
    const scene = new EnrolmentScene();
    const line = scene.add('laptop');
    const wrong = changed(line, { secret: new Uint8Array(16) });
    for (let sent = 0; sent < 40; sent += 1) scene.use(wrong);
    expect(scene.use(wrong)).toEqual({ kind: 'silent' });
    expect(scene.use(line)).toMatchObject({ kind: 'granted' });
  });

  it('cause ten events at once, whatever their sources', () => {
    const scene = new EnrolmentScene();
    const wrong = changed(scene.add('laptop'), { secret: new Uint8Array(16) });
    for (let sent = 0; sent < 40; sent += 1)
      scene.use(wrong, { source: `2001:db8:${sent.toString(16)}::7` });
    expect(scene.counter('enrolment-unknown')).toBe(40);
    expect(scene.eventNames().filter((name) => name === 'enrolment-refused')).toHaveLength(10);
    scene.pass(1000);
    scene.use(wrong);
    expect(scene.eventNames().filter((name) => name === 'enrolment-refused')).toHaveLength(11);
  });

  it.each([
    ['refused', { secret: new Uint8Array(16) }],
    ['granted', {}],
  ])('leave no session behind when they are %s', (kind, change) => {
    const scene = new EnrolmentScene();
    const { client, step } = scene.client(changed(scene.add('laptop'), change));
    client.start(step);
    const exchange = () => {
      for (const output of step.out.splice(0))
        if (output.kind === 'send') scene.deliver(output.packet, '2001:db8:a::7');
      for (const { packet } of scene.sent.splice(0)) client.receive(step, HOME_AGENT, 4191, packet);
    };
    exchange();
    expect(client.outcome).toMatchObject({ kind });
    expect(step.out.some((output) => output.kind === 'send')).toBe(true);
    exchange();
    expect(scene.counter('control-unknown-spi')).toBe(1);
    expect(scene.engine.deadline()).toBe(NEVER);
  });

  it('get no grant before the record is on disk', () => {
    const scene = new EnrolmentScene();
    const { client, step } = scene.client(scene.add('laptop'));
    client.start(step);
    const request = step.out.find(({ kind }) => kind === 'send');
    if (request?.kind !== 'send') throw new Error('no request');
    scene.deliver(request.packet, '2001:db8:a::7');
    expect(scene.sent).toMatchObject([{ requires: { table: 'enrolment', key: 'laptop' } }]);
    expect(scene.store.has('enrolment laptop')).toBe(true);
  });

  it('get no answer that is larger than they are', () => {
    const scene = new EnrolmentScene(POOL);
    const prefixes = Array.from({ length: 4 }, (_, at) => `2001:db8:7:${at}::/64`);
    const line = scene.add('v', { prefixes, ipv4HomeAddress: '198.51.100.9' });
    const { client, step } = scene.client(line);
    client.start(step);
    const request = step.out.find(({ kind }) => kind === 'send');
    if (request?.kind !== 'send') throw new Error('no request');
    scene.deliver(request.packet, '2001:db8:a::7');
    const [response] = scene.sent;
    expect(response?.packet.length).toBeGreaterThan(0);
    expect(response?.packet.length).toBeLessThanOrEqual(request.packet.length);
  });
});
