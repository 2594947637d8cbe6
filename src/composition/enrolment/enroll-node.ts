/** `sojourn enroll use`: enrols this host with one line and writes its configuration. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hex, isMalformed } from '#base/bytes.ts';
import { formatPrefix } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { loadOrCreateSecret } from '#composition/secret-file.ts';
import {
  CommandProgramFailure,
  runCommandProgram,
  textOf,
  textsOf,
} from '#composition/setup/command-program.ts';
import { refuseBesideRunning } from '#composition/setup/running-daemon.ts';
import { type EnrolmentLine, parseEnrolmentLine } from '#crypto/enrolment-line.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import {
  CONFIGURATION_DIRECTORY,
  stateDirectory,
  useDirectoriesOfUnit,
} from '#daemon/directories.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { enrolledConfiguration, writeConfiguration } from './enrolled-configuration.ts';
import { exchangeEnrolment } from './enrolment-exchange.ts';
import { daemonOf, formerConfiguration, keptKeys, replacedKeys } from './former-configuration.ts';

/** What the operator can do, by the reason of the home agent. */
const REFUSALS: Readonly<Record<string, string>> = {
  unknown:
    'the home agent does not know this line: it was revoked, or the home agent lost its store. ' +
    'Ask its operator for another line',
  expired: 'the line has expired. Ask the operator of the home agent for another one',
  used:
    'another node has used this line already. If you do not know that node, the operator of the ' +
    'home agent must revoke it (sojourn enroll revoke NAME)',
  'key-in-use':
    'the home agent has another entry with the key of this host. Its operator can remove that ' +
    'entry',
  conflict:
    'the configuration of the home agent gives this name or its addresses to another node. Its ' +
    'operator sees the reason in: sojourn enroll list',
};

interface Job {
  readonly line: string;
  readonly file: string | undefined;
  readonly stateDirectory: string | undefined;
  readonly networkDevices: readonly string[];
  readonly force: boolean;
  /** The daemon runs in the foreground afterwards. */
  readonly run: boolean;
}

function jobOf(given: JsonObject): Job {
  return {
    line: textOf(given['line']) ?? '',
    file: textOf(given['file']),
    stateDirectory: textOf(given['stateDirectory']),
    networkDevices: textsOf(given['networkDevices']),
    force: given['force'] === true,
    run: given['run'] === true,
  };
}

async function enrol(job: Job): Promise<JsonObject> {
  const line = parseEnrolmentLine(job.line);
  if (isMalformed(line))
    throw new CommandProgramFailure(
      ExitCode.usage,
      `the enrolment line ${line.reason}; copy it as a whole`,
    );
  const role = line.router ? 'mr' : 'mn';
  checkDevices(line, job);
  const file = job.file ?? `${CONFIGURATION_DIRECTORY}/${role}.yaml`;
  if (existsSync(file) && !job.force) throw existing(file);
  const former = formerConfiguration(file);
  const { name, controlSocket, stateDirectory: kept } = daemonOf(former ?? {});
  const daemon = { name: textOf(name) ?? role, controlSocket: textOf(controlSocket) };
  if (job.run) await refuseBesideRunning(role, daemon);
  if (job.stateDirectory === undefined) useDirectoriesOfUnit(role);
  const directory = job.stateDirectory ?? textOf(kept) ?? stateDirectory();
  const own = keyPairOf(loadOrCreateSecret(join(directory, `${daemon.name}.key`)));
  const outcome = await exchangeEnrolment(line, own);
  if (outcome.kind === 'silent')
    throw new CommandProgramFailure(ExitCode.unavailable, silence(line));
  if (outcome.kind === 'refused')
    throw new CommandProgramFailure(
      ExitCode.negative,
      REFUSALS[outcome.reason] ?? `the home agent refused the line: ${outcome.reason}`,
    );
  const { grant } = outcome;
  const { networkDevices } = job;
  const text = enrolledConfiguration({
    ...{ role, line, grant, networkDevices, stateDirectory: job.stateDirectory, former },
  });
  if (!writeConfiguration(file, text, job.force)) throw existing(file);
  return {
    ...{ name: line.name, role, file, publicKey: `hex:${hex(own.publicKey)}` },
    homeAddress: grant.homeAddress,
    ipv4HomeAddress: grant.ipv4HomeAddress,
    mobileNetworkPrefixes: grant.mobileNetworkPrefixes.map(formatPrefix),
    ...(former === undefined ? {} : changesOf(former)),
  };
}

function changesOf(former: JsonObject): JsonObject {
  return { kept: Object.keys(keptKeys(former)), replaced: replacedKeys(former) };
}

function existing(file: string): CommandProgramFailure {
  return new CommandProgramFailure(
    ExitCode.negative,
    `${file} exists; nothing was changed. With --force its registration is replaced, other keys ` +
      `are kept, and the former file is kept as ${file}.old`,
  );
}

function checkDevices({ router, name }: EnrolmentLine, { networkDevices }: Job): void {
  if (router && networkDevices.length === 0)
    throw new CommandProgramFailure(
      ExitCode.usage,
      `${name} is a mobile router: give the interface of its network with --network-device`,
    );
  if (!router && networkDevices.length > 0)
    throw new CommandProgramFailure(
      ExitCode.usage,
      `${name} is no mobile router: it has no mobile network`,
    );
}

function silence({ addresses, ipv4Addresses, port }: EnrolmentLine): string {
  return (
    `no answer from ${[...addresses, ...ipv4Addresses].join(', ')}, UDP port ${port}. Either the ` +
    'home agent is not reachable from here, or it has another key than the line, or this network ' +
    'sent too many requests'
  );
}

await runCommandProgram((given) => enrol(jobOf(given)));
