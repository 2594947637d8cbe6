/** The UDP port of ESP, which a home agent opens when it starts. */
import { describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import { espPortChanges, homeAgentEspPort } from '#composition/esp-associations.ts';

const direction = { spi: 1000, key: new Uint8Array(36) };
const pair = { toHomeAgent: direction, toMobileNode: direction };
const esp = { ...pair, algorithm: 'aes-gcm-16', extendedSequenceNumbers: true } as const;
const PLAIN = { esp };
const IN_ESP = { esp: { ...esp, data: pair } };

const agent = (mobileNodes: readonly (typeof PLAIN)[], ipv4Addresses = [ipv4('192.0.2.1')]) => ({
  homeAgent: { ipv4Addresses, mobileNodes },
});

describe('the UDP port of ESP', () => {
  it('opens for data over IPv4, and for nothing else', () => {
    expect(homeAgentEspPort(agent([PLAIN, IN_ESP]))).toBe(4500);
    expect(homeAgentEspPort(agent([PLAIN]))).toBe(0);
    expect(homeAgentEspPort(agent([IN_ESP], []))).toBe(0);
  });

  it('needs a restart for the first node with data in ESP, and for no other change', () => {
    expect(espPortChanges(agent([PLAIN]), agent([PLAIN, IN_ESP]))).toEqual([
      {
        ...{ setting: 'mobileNodes[1].esp.data', old: undefined, new: 'over IPv4' },
        ...{ reloadable: true, why: 'UDP port 4500 opens when the home agent starts' },
      },
    ]);
    expect(espPortChanges(agent([IN_ESP]), agent([IN_ESP, IN_ESP]))).toEqual([]);
    expect(espPortChanges(agent([IN_ESP]), agent([PLAIN]))).toEqual([]);
    expect(espPortChanges(agent([PLAIN], []), agent([IN_ESP], []))).toEqual([]);
  });
});
