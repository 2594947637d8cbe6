/** The direction coordinator daemon. */
import { runControlDaemon } from '#composition/control-daemon.ts';
import { daemonPublicKey } from '#composition/daemon-key.ts';
import {
  coordinatorEndpoints,
  openDirectionCoordinator,
} from '#composition/direction-coordinator.ts';
import { directionCoordinatorSchema } from './config.ts';

await runControlDaemon({
  role: 'dc',
  description:
    'Direction coordinator of Sojourn (NTMobile): registrations, directions, names of nodes.',
  schema: directionCoordinatorSchema,
  publicKey: daemonPublicKey,
  endpoints: coordinatorEndpoints,
  engine: openDirectionCoordinator,
});
