import { describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv4, ipv4Mapped, ipv6 } from '#base/ip.ts';
import {
  HOME_ADDRESS,
  HOME_AGENT,
  HOME_AGENT_V4,
  IPV4_HOME_ADDRESS,
  mobilityPacket,
  Scene,
} from './mobile-node-scene.ts';

/** The home agent says that it has no binding, by the endpoint of the node. RFC 6275 §11.3.6. */
const V4 = { addresses: ['203.0.113.7/24'] };

describe('mobile node behind a NAT: Binding Error 1 in UDP', () => {
  const path = { kind: 'udp', local: ipv4('192.168.7.2'), localPort: 4191 } as const;
  const fromHomeAgent = { ...path, remote: HOME_AGENT_V4, remotePort: 4191 } as const;

  function errorFor(homeAddress: Ipv6Address, source = HOME_AGENT): Uint8Array {
    const error = { type: 'binding-error', status: 1, homeAddress, options: [] } as const;
    return mobilityPacket(error, source, homeAddress);
  }

  it.each([
    ['its home address', HOME_ADDRESS, HOME_AGENT],
    ['its IPv4 home address', ipv4Mapped(IPV4_HOME_ADDRESS), HOME_AGENT],
    ['it from another address of the home agent', HOME_ADDRESS, ipv6('2001:db8:1::2')],
  ])('registers again at once if it names %s', (_, homeAddress, source) => {
    const scene = new Scene();
    scene.registered(V4);
    const packet = errorFor(homeAddress, source);
    scene.give({ kind: 'datagram', path: fromHomeAgent, packet });
    expect(scene.updates()).toHaveLength(1);
    expect(scene.node.counters['binding-error-followed']).toBe(1);
  });

  it('changes nothing if it comes from another outer address or port', () => {
    const scene = new Scene();
    scene.registered(V4);
    for (const end of [{ remote: ipv4('198.51.100.66') }, { remotePort: 4192 }]) {
      const packet = errorFor(HOME_ADDRESS);
      scene.give({ kind: 'datagram', path: { ...fromHomeAgent, ...end }, packet });
    }
    expect(scene.updates()).toEqual([]);
    expect(scene.node.counters['binding-error-ignored']).toBe(2);
  });
});
