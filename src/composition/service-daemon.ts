/**
 * The entry point of a daemon process: its description, completed with the parts that all share.
 */
import type { z } from 'zod';
import { type ConfigurationContext, loadConfiguration } from '#daemon/configuration/config.ts';
import type { ServiceSettings } from '#daemon/daemon-settings.ts';
import type { DaemonSpec } from '#daemon/daemon-spec.ts';
import { runDaemon } from '#daemon/lifecycle.ts';
import { sendToNotifySocket } from '#host/process/notify-socket.ts';

export interface WithDaemonSection {
  readonly daemon: ServiceSettings;
}

/** Makes the schema of a configuration file; `S` is the schema's result. */
type SchemaMaker<S> = (context: ConfigurationContext) => z.ZodType<S>;

/** The description of a daemon in its `main.ts`. `S` is its checked configuration. */
export interface DaemonDescription<S extends WithDaemonSection>
  extends Pick<
    DaemonSpec<S>,
    'role' | 'description' | 'permissions' | 'hasMessages' | 'publicKey'
  > {
  readonly schema: SchemaMaker<S>;
  /** Choices of the operator that each start logs as a warning (`security: none`). */
  warnings?(settings: S): readonly string[];
  /** Removes the host state that a killed run left. */
  cleanup?(settings: S): void;
}

/** A daemon whose parts `start` puts together. */
interface ServiceDaemonSpec<S extends WithDaemonSection> extends DaemonDescription<S> {
  readonly start: DaemonSpec<S>['start'];
}

/** Runs a daemon without a packet engine; ends the process. */
export function runServiceDaemon<S extends WithDaemonSection>(
  spec: ServiceDaemonSpec<S>,
): Promise<void> {
  return runDaemon<S>(sendToNotifySocket, {
    warnings: () => [],
    cleanup: () => {},
    ...spec,
    load: (file) => loadConfiguration(file, spec.schema),
  });
}
