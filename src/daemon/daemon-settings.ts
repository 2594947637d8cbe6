/**
 * The `daemon:` section that every daemon's configuration has: settings of the process, not of the
 * protocol.
 */
import { z } from 'zod';
import { isLoopback } from '#base/ip.ts';
import {
  crossCheck,
  deviceField,
  EVEN_WHEN_FAULTY,
  integerField,
  ipField,
  type Report,
} from './configuration/config-fields.ts';
import { RUN_DIRECTORY, runDirectory, stateDirectory } from './directories.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const SECTION = { description: 'settings of the process, not of the protocol' };

const nameField = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be 1 to 32 lower case letters, digits and "-"');

const metricsSection = z.strictObject({
  address: ipField()
    .refine(isLoopback, 'must be a loopback address: the port has no authentication')
    .prefault('127.0.0.1')
    .meta({ description: 'loopback address of the port', kind: 'loopback address' }),
  port: integerField(1, 65535).meta({ description: 'TCP port of /metrics', sample: 9419 }),
});

/**
 * The keys that every daemon has. `name` is the default name; several instances on one host need
 * different names.
 */
function processFields(name: string) {
  return {
    name: nameField.default(name).meta({
      description: 'name of this daemon; its socket, store, device and log lines carry it',
      details: 'Several daemons of one role on one host need different names.',
      kind: 'name',
    }),
    controlSocket: z
      .string()
      .startsWith('/', 'must be an absolute path')
      .max(107)
      .optional()
      .meta({
        description: `path of the control socket; ${RUN_DIRECTORY}/<name>.sock unless given`,
        ...{ kind: 'path', sample: `${RUN_DIRECTORY}/${name}.sock` },
      }),
    controlGroup: z
      .string()
      .min(1)
      .optional()
      .meta({
        description:
          "group that may use the control socket, by name or number; the daemon's own group " +
          'unless given',
        ...{ kind: 'group', sample: 'sojourn' },
      }),
    stateDirectory: z
      .string()
      .startsWith('/', 'must be an absolute path')
      .default(stateDirectory)
      .meta({ description: 'directory for state that survives restarts', kind: 'path' }),
    logLevel: z
      .enum(LOG_LEVELS)
      .default('info')
      .meta({ description: 'minimum severity of logged events', reloadable: true }),
    logFormat: z.enum(['auto', 'json', 'pretty']).default('auto').meta({
      description: 'format of the log; auto is pretty on a terminal and JSON lines otherwise',
    }),
    metrics: metricsSection.optional().meta({
      description: 'HTTP endpoint for Prometheus; none unless given',
      details: 'The command "sojourn metrics" prints the same metrics without it.',
    }),
  };
}

/**
 * The part of a file that names the daemon's state directory: enough to find its keys even if
 * everything else is missing or wrong.
 */
export function identitySchema(role: string) {
  const { name, stateDirectory } = processFields(role);
  return z.looseObject({ daemon: z.looseObject({ name, stateDirectory }).prefault({}) });
}

/** Schema of `daemon:` for a daemon that forwards no packets. */
export function serviceSection(name: string) {
  return z
    .strictObject(processFields(name))
    .prefault({})
    .transform((settings) => ({ ...settings, controlSocket: controlSocketOf(settings) }))
    .meta(SECTION);
}

/** The additional keys of a daemon with a data plane. */
function planeFields(name: string, deviceMtu: number) {
  return {
    device: deviceField()
      .optional()
      .meta({
        description: 'name of the TUN device; sojourn-<name> unless given',
        sample: `sojourn-${name}`,
      }),
    threads: integerField(1, 64)
      .refine(
        (threads) => threads === 1 || threads % 2 === 0,
        'must be 1 or even (a pair has one thread for each direction)',
      )
      .default(2)
      .meta({
        description: 'threads of the data plane: 1 for both directions, 2 for one each, or n pairs',
      }),
    deviceMtu: integerField(1280, 65535)
      .default(deviceMtu)
      .meta({ description: 'MTU of the TUN device', unit: 'octets' }),
  };
}

function resolversField() {
  return z
    .array(ipField())
    .max(8)
    .default([])
    .meta({
      description: 'DNS servers to use; those of /etc/resolv.conf unless given',
      sample: ['2001:db8::53'],
    });
}

/** Schema of `daemon:` for a daemon with a data plane that serves Mobile IPv6. */
export function daemonSection(name: string) {
  return z
    .strictObject({
      ...processFields(name),
      ...planeFields(name, 1460),
      rawPath: z.boolean().default(true).meta({
        description: 'serve IPv6 links with raw packets; false leaves only UDP over IPv4',
      }),
      earlyDataHoldMs: integerField(0, 1000).default(50).meta({
        description: 'how long data that arrives before its registration is held; 0 drops it',
        unit: 'milliseconds',
      }),
      resolvers: resolversField(),
    })
    .prefault({})
    .superRefine(crossCheck(checkDevice), EVEN_WHEN_FAULTY)
    .transform(named)
    .meta(SECTION);
}

/** Schema of `daemon:` for a daemon with a data plane that resolves no names. */
export function planeDaemonSection(name: string, deviceMtu: number) {
  return z
    .strictObject({ ...processFields(name), ...planeFields(name, deviceMtu) })
    .prefault({})
    .superRefine(crossCheck(checkDevice), EVEN_WHEN_FAULTY)
    .transform(named)
    .meta(SECTION);
}

/** Schema of `daemon:` for a daemon with a data plane whose tunnels are all sealed. */
export function sealedDaemonSection(name: string, deviceMtu: number) {
  return z
    .strictObject({
      ...processFields(name),
      ...planeFields(name, deviceMtu),
      resolvers: resolversField(),
    })
    .prefault({})
    .superRefine(crossCheck(checkDevice), EVEN_WHEN_FAULTY)
    .transform(named)
    .meta(SECTION);
}

interface DeviceParts {
  readonly name?: string | undefined;
  readonly device?: string | undefined;
}

function checkDevice({ name, device }: DeviceParts, report: Report): void {
  const made = deviceOf({ name: name ?? '', device });
  if (made.length > 15)
    report(`the device name "${made}" is longer than 15 characters`, 'set daemon.device');
}

/** Adds the names that derive from the daemon's name. */
function named<S extends Named & { readonly device?: string | undefined }>(settings: S) {
  return { ...settings, device: deviceOf(settings), controlSocket: controlSocketOf(settings) };
}

interface Named {
  readonly name: string;
  readonly controlSocket?: string | undefined;
}

function controlSocketOf({ name, controlSocket }: Named): string {
  return controlSocket ?? `${runDirectory()}/${name}.sock`;
}

function deviceOf({
  name,
  device,
}: {
  readonly name: string;
  readonly device?: string | undefined;
}): string {
  return device ?? `sojourn-${name}`;
}

/** Identifies one daemon of a host. */
export type Identity = z.output<ReturnType<typeof identitySchema>>['daemon'];
/** The section of any daemon. */
export type ServiceSettings = z.output<ReturnType<typeof serviceSection>>;
/** The section of a daemon with a data plane that resolves no names. */
export type PlaneDaemonSettings = z.output<ReturnType<typeof planeDaemonSection>>;
/** The section of a daemon with sealed tunnels only. */
export type SealedDaemonSettings = z.output<ReturnType<typeof sealedDaemonSection>>;
/** The section of a daemon with a data plane that serves Mobile IPv6. */
export type DaemonSettings = z.output<ReturnType<typeof daemonSection>>;
