/** Changes of a relay's configuration while nodes use it. docs/reference/ntmobile.md §10. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import { NtmobileStatus } from '#wire/ntmobile/message.ts';
import { generalIpv4, generalIpv6, type Peer } from './relay-peer.ts';
import { prefixOf, Scene } from './relay-scene.ts';

const R6 = ipv6('2001:db8:6::1');
const R4 = ipv4('203.0.113.80');
const FAR = ipv4('192.0.2.80');
let scene: Scene;
let node: Peer;

beforeEach(() => {
  scene = new Scene();
  scene.start();
  node = scene.node(1);
  scene.names.set('www.example', [R6, R4]);
  scene.names.set('four.example', [R4]);
  scene.names.set('far.example', [FAR]);
});

const direct = (name: string, n = 1) => scene.coordinator.direct(name, n, [node]);

describe('changed destinations', () => {
  it('withdraw addresses that are denied now, and no others', () => {
    direct('www.example', 1);
    direct('far.example', 2);
    scene.reconfigure({ deniedDestinations: [prefixOf('203.0.113.0/24')] });
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`, `${generalIpv4(2)} ${FAR}`]);
    expect(direct('four.example', 3).status).not.toBe(0);
    expect(direct('far.example', 2).status).toBe(0);
  });

  it('serve addresses that are no longer denied', () => {
    scene.reconfigure({ deniedDestinations: [prefixOf('203.0.113.0/24')] });
    expect(direct('four.example').status).not.toBe(0);
    scene.reconfigure({ deniedDestinations: [] });
    expect(direct('four.example').status).toBe(0);
    expect(scene.maps).toEqual([`${generalIpv4(1)} ${R4}`]);
  });

  it('serve a private network while it is allowed', () => {
    const inside = ipv4('10.1.0.7');
    scene.names.set('inside.example', [inside]);
    scene.reconfigure({ allowedDestinations: [prefixOf('10.1.0.0/16')] });
    expect(direct('inside.example').status).toBe(0);
    scene.reconfigure({ allowedDestinations: [] });
    expect(scene.maps).toEqual([]);
  });
});

describe('changed limits', () => {
  it('apply to later directions, and keep existing ones', () => {
    for (const [name, n] of [
      ['www.example', 1],
      ['far.example', 2],
    ] as const)
      expect(direct(name, n).status).toBe(0);
    scene.reconfigure({ maximumGeneralNodes: 1 });
    expect(direct('four.example', 3).status).toBe(NtmobileStatus.busy);
    expect(direct('far.example', 2).status).toBe(0);
    scene.reconfigure({ maximumGeneralNodes: 10, maximumGeneralNodesOfNode: 2 });
    expect(direct('four.example', 3).status).toBe(NtmobileStatus.busy);
    scene.reconfigure({ maximumGeneralNodesOfNode: 3 });
    expect(direct('four.example', 3).status).toBe(0);
  });

  it('change the reported load', () => {
    const load = (): unknown => {
      scene.step({ kind: 'request', id: 1, command: 'status', parameters: {} });
      const status = scene.replies.at(-1);
      return isJsonObject(status) ? status['loadThousandths'] : status;
    };
    direct('www.example');
    expect(load()).toBe(250);
    scene.reconfigure({ maximumGeneralNodes: 10 });
    expect(load()).toBe(100);
  });
});
