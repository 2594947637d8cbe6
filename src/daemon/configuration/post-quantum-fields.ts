/**
 * The keys `postQuantum` of mobile nodes and home agents:
 * docs/reference/sealed-mobile-ipv6.md §3.1.
 */
import { z } from 'zod';

const modes = () => z.enum(['off', 'preferred', 'required']);

/** Of one entry of `homes`. */
export const homePostQuantum = () =>
  modes()
    .optional()
    .meta({
      description:
        'with publicKey, keys of data that withstand a later quantum computer (ML-KEM-768): off, ' +
        'preferred (data does not wait for them) or required (no data flows without them); ' +
        'preferred unless given',
      sample: 'required',
      details:
        'With preferred, data is sealed without them while the home agent has none or does not ' +
        'answer the exchange, which the node repeats. sojourn status shows what is in use.',
    });

/** Of all nodes of a home agent. */
export const agentPostQuantum = () =>
  modes()
    .default('preferred')
    .meta({
      reloadable: true,
      description:
        'keys of data that withstand a later quantum computer (ML-KEM-768), for nodes with a ' +
        'public key: off, preferred (for nodes that have them) or required',
      details:
        'With required, the home agent refuses the registration of a node without them ' +
        '(status 129) and carries no data before they are complete.',
    });

/** Of one entry of `mobileNodes`. */
export const nodePostQuantum = () =>
  modes().optional().meta({
    description: 'with publicKey, postQuantum for this node; unless given, that at the top',
    sample: 'required',
  });
