/** The correspondent node daemon. */
import { openCorrespondentNode } from '#composition/correspondent-node/correspondent-node.ts';
import { runPacketDaemon } from '#composition/packet-daemon.ts';
import { correspondentNodeSchema } from './config.ts';

await runPacketDaemon({
  role: 'cn',
  kernelOwner: 'correspondent-node',
  description: 'Correspondent node of Sojourn (RFC 6275): direct paths to mobile nodes.',
  schema: correspondentNodeSchema,
  plane: ({ correspondentNode: { mark } }) => ({
    lookup: 'inner-destination',
    raw: true,
    optimized: true,
    mark,
  }),
  engine: openCorrespondentNode,
});
