/** Binding Updates of a mobile router that only exists as packets of the correspondent. */
import { assert } from '#base/assert.ts';
import { ipv6 } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { signMobility } from '#crypto/mobility-auth.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import { MOBILE_ROUTERS } from '#lab/mobile-networks.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { NO_BINDING_UPDATE_FLAGS } from '#wire/mobility/message.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';
import { packet } from './crafted-packets.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const CARE_OF = ipv6(ADDRESSES.correspondentIpv6);
const HOME_ADDRESS = ipv6(MOBILE_ROUTERS.mr.homeAddress);

/** Key of the router's security association; the text is that of its configuration. */
export interface RouterKey {
  readonly spi: number;
  readonly key: string;
}

interface RouterUpdate {
  /** Also the lowest bits of the timestamp, so that Binding Updates of one moment differ. */
  readonly sequence: number;
  readonly key: RouterKey | undefined;
  readonly options?: readonly MobilityOption[];
  readonly lifetimeUnits?: number;
  /** Of the router's clock. */
  readonly offsetMs?: number;
}

/** The care-of address is the correspondent's. */
export function routerUpdate(update: RouterUpdate): Uint8Array {
  const { sequence, key, options = [], lifetimeUnits = 10, offsetMs = 0 } = update;
  assert(key !== undefined, 'a key is given');
  const flags = {
    ...NO_BINDING_UPDATE_FLAGS,
    acknowledge: true,
    homeRegistration: true,
    mobileRouter: true,
  };
  const timestamp = ntpTimestamp(wall(Date.now() + offsetMs)) + BigInt(sequence);
  const header = signMobility(
    {
      type: 'binding-update',
      sequence,
      flags,
      lifetimeUnits,
      options: [...options, { type: 'replay-protection', timestamp }],
    },
    { spi: key.spi, algorithm: 'hmac-sha256-128', key: new TextEncoder().encode(key.key) },
    {
      careOfAddress: CARE_OF,
      homeAddress: HOME_ADDRESS,
      source: HOME_ADDRESS,
      destination: AGENT,
    },
  );
  const extensions = [homeAddressExtension(HOME_ADDRESS)];
  return packet(CARE_OF, AGENT, PROTOCOL_MOBILITY, header, extensions);
}
