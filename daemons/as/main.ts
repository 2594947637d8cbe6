/** The account server daemon. */
import { authorityPublicKey, startAccountServer } from '#account-server/account-server.ts';
import { wall } from '#base/time.ts';
import { loadOrCreateSecret } from '#composition/secret-file.ts';
import { runServiceDaemon } from '#composition/service-daemon.ts';
import { runDirectory } from '#daemon/directories.ts';
import { createClock } from '#host/process/clock.ts';
import { accountServerSchema } from './config.ts';

await runServiceDaemon({
  role: 'as',
  description:
    'Account server of Sojourn (NTMobile): accounts, devices, and the credentials that it signs.',
  permissions:
    'give its user write access to the state directory and /run/sojourn, or configure others',
  schema: accountServerSchema,
  hasMessages: false,
  publicKey: (identity) => authorityPublicKey(identity, loadOrCreateSecret),
  start(settings, context) {
    const { now } = createClock();
    const clock = { now, wall: () => wall(Date.now()) };
    return startAccountServer(settings, context, {
      ...{ clock, loadOrCreateSecret, scratchDirectory: runDirectory() },
    });
  },
});
