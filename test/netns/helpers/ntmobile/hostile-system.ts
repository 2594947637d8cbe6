/** An NTMobile system in the lab whose direction coordinator and node b lie on request. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { JsonObject } from '#base/json.ts';
import type { ProcessSpawner } from '#lab/daemons.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { NETWORKS } from '#lab/networks.ts';
import {
  NTMOBILE,
  NTMOBILE_SERVERS,
  type NtmobileNode,
  NtmobileSystem,
} from '#lab/ntmobile/ntmobile-lab.ts';
import { Lab } from '#lab/topology.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';
import type { LieSubject } from '#test/sim/ntmobile/coordinator-lies.ts';

/** The hostile coordinator reads it for each message. */
export const LIE_FILE = `${LAB_DIRECTORY}/lie.json`;
const HOSTILE = new URL('hostile-daemon.ts', import.meta.url).pathname;

const [SERVER, OTHER_SERVER] = ['gn6.example', 'gn4.example'];

/** Starts a daemon that tells the lies. */
function hostileSpawner(lab: Lab, role: string): ProcessSpawner {
  return {
    spawn: (namespace, [program = '', , ...rest], options) =>
      lab.spawn(namespace, ['env', `HOSTILE_ROLE=${role}`, program, HOSTILE, ...rest], options),
  };
}

export class HostileSystem implements AsyncDisposable {
  readonly lab: Lab;
  readonly system: NtmobileSystem;

  private constructor(lab: Lab) {
    this.lab = lab;
    this.system = new NtmobileSystem(lab, {
      nodes: ['a', 'b', 'c'],
      node: { generalNames: [SERVER, OTHER_SERVER] },
      coordinatorSpawner: hostileSpawner(lab, 'dc'),
      nodeSpawners: { b: hostileSpawner(lab, 'mn') },
    });
  }

  /** Three nodes, each in its network. */
  static async start(networks: Readonly<Record<'a' | 'b' | 'c', NetworkName>>) {
    rmSync(LIE_FILE, { force: true });
    const nodes = { a: ['eth0'], b: ['eth0'], c: ['eth0'] };
    const lab = await Lab.create({
      ...{ networks: [...new Set(Object.values(networks))], nodes, servers: NTMOBILE_SERVERS },
    });
    const hostile = new HostileSystem(lab);
    await hostile.system.start();
    for (const [name, network] of Object.entries(networks)) {
      await lab.move(name, network);
      const family = NETWORKS[network].ipv4 === undefined ? 6 : 4;
      await lab.waitForAddress(name, family, { timeoutMs: 15_000 });
      await hostile.node(name).start();
    }
    return hostile;
  }

  node(name: string): NtmobileNode {
    return this.system.node(name);
  }

  async subject(candidates: LieSubject['candidates'] = []): Promise<LieSubject> {
    const [victimIpv6, victimIpv4] = await this.node('a').virtualAddresses();
    const [targetIpv6, targetIpv4] = await this.node('b').virtualAddresses();
    const [, otherIpv4] = await this.node('c').virtualAddresses();
    const authority = readFileSync(`${STATE_DIRECTORY}/as.authority.key`, 'utf8');
    return {
      ...{ target: this.node('b').domainName, other: this.node('c').domainName },
      ...{ server: SERVER, otherServer: OTHER_SERVER, candidates },
      strangeRelay: '07'.repeat(32),
      ...{ victimIpv6, victimIpv4, targetIpv6, targetIpv4, otherIpv4 },
      authority: authority.trim().replace(/^hex:/, ''),
    };
  }

  /** From now on, the coordinator tells this lie. */
  async lie(lie: string, candidates: LieSubject['candidates'] = []): Promise<LieSubject> {
    const subject = await this.subject(candidates);
    writeFileSync(LIE_FILE, JSON.stringify({ lie, subject }));
    return subject;
  }

  honest(): void {
    rmSync(LIE_FILE, { force: true });
  }

  async counters(name: string): Promise<JsonObject> {
    const stats = objectOf(await this.node(name).daemon.request('stats'));
    return objectOf(stats['ntmobile'] ?? stats);
  }

  /** What an application of the node gets for a name. */
  async resolve(name: string, domainName: string, type = 'AAAA'): Promise<string> {
    const argv = ['dig', `@${NTMOBILE.stub}`, '+tries=1', '+time=10', type, domainName];
    return (await this.lab.attempt(name, argv)).stdout;
  }

  /** Restarts the node's daemon, so that it knows nothing of earlier directions. */
  async restart(name: string): Promise<void> {
    await this.node(name).stop();
    await this.node(name).start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.close();
  }
}
