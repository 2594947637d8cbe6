/** The direction coordinator daemon, which tells the lie that a file names. */
import { existsSync, readFileSync } from 'node:fs';
import { runControlDaemon } from '#composition/control-daemon.ts';
import { daemonPublicKey } from '#composition/daemon-key.ts';
import {
  coordinatorEndpoints,
  openDirectionCoordinator,
} from '#composition/direction-coordinator.ts';
import { CANDIDATES, LIES, type LieSubject, lieWith } from '#test/sim/ntmobile/coordinator-lies.ts';
import { directionCoordinatorSchema } from '../../../../daemons/dc/config.ts';
import { LIE_FILE } from './hostile-system.ts';

function chosen() {
  if (!existsSync(LIE_FILE)) return undefined;
  const told: { readonly lie: string; readonly subject: LieSubject } = JSON.parse(
    readFileSync(LIE_FILE, 'utf8'),
  );
  const lie = told.lie === 'candidates' ? CANDIDATES : LIES[told.lie];
  return lie === undefined ? undefined : { lie, subject: told.subject };
}

lieWith(chosen);
await runControlDaemon({
  role: 'dc',
  description: 'A direction coordinator that lies.',
  schema: directionCoordinatorSchema,
  publicKey: daemonPublicKey,
  endpoints: coordinatorEndpoints,
  engine: openDirectionCoordinator,
});
