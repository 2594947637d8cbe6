/** `sojourn setup ha`: writes the first configuration of a home agent. */
import { existsSync } from 'node:fs';
import {
  type IpAddress,
  isGlobalUnicast,
  type Prefix,
  parseIpAddress,
  parsePrefix,
} from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { writeConfiguration } from '#composition/enrolment/enrolled-configuration.ts';
import { CONFIGURATION_DIRECTORY } from '#daemon/directories.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { randomBytes } from '#host/process/random.ts';
import { CommandProgramFailure, runCommandProgram, textOf, textsOf } from './command-program.ts';
import { configurationText, homeAgentConfiguration } from './home-agent-configuration.ts';
import { isPrivateAddress, reachableAddresses, readHostNetwork } from './host-addresses.ts';
import { refuseBesideRunning } from './running-daemon.ts';
import { mappingIn } from './yaml-file.ts';

async function setUp(job: JsonObject): Promise<JsonObject> {
  const file = textOf(job['file']) ?? `${CONFIGURATION_DIRECTORY}/ha.yaml`;
  const force = job['force'] === true;
  if (existsSync(file) && !force) throw existing(file);
  refuseUnsayable(job);
  if (job['run'] === true) await refuseBesideRunning('ha');
  const given = textsOf(job['addresses']).map(addressOf);
  const addresses = given.length > 0 ? given : reachableAddresses(readHostNetwork());
  if (addresses.length === 0)
    throw new CommandProgramFailure(
      ExitCode.unavailable,
      'this host has no address at which nodes can reach it: give one with --address',
    );
  const document = homeAgentConfiguration(
    {
      addresses,
      homePrefix: prefixOf(job['homePrefix'], 6, 64, '--home-prefix'),
      ipv4HomePrefix: prefixOf(job['ipv4HomePrefix'], 4, 30, '--ipv4-home-prefix'),
      prefixPool: prefixOf(job['prefixPool'], 6, 64, '--prefix-pool'),
      stateDirectory: textOf(job['stateDirectory']),
    },
    randomBytes,
  );
  const notKept = keysOf(file).filter((key) => !Object.hasOwn(document, key));
  if (!writeConfiguration(file, configurationText(document), force)) throw existing(file);
  const { daemon: _, ...shown } = document;
  const isUnreachable = given.length === 0 && addresses.every(isPrivateAddress);
  return {
    ...{ file, ...shown },
    ...(notKept.length > 0 ? { notKept } : {}),
    ...(isUnreachable ? { note: ONLY_PRIVATE } : {}),
  };
}

const ONLY_PRIVATE =
  'This host has private addresses only: nodes in other networks need a public one that leads to ' +
  'it. Give that with --address (and --force)';

/** `internet` translates IPv4 or both families, never IPv6 alone. */
function refuseUnsayable(job: JsonObject): void {
  if (job['homePrefix'] !== undefined) return;
  for (const [key, option] of [
    ['ipv4HomePrefix', '--ipv4-home-prefix'],
    ['prefixPool', '--prefix-pool'],
  ] as const)
    if (job[key] !== undefined)
      throw new CommandProgramFailure(
        ExitCode.usage,
        `${option} needs --home-prefix: without it, all home networks are translated to the ` +
          'address of this host, also those that are routed to it. Give --home-prefix, or leave ' +
          `out ${option}`,
      );
}

/** The keys of a former configuration; none if it cannot be read as YAML. */
function keysOf(file: string): readonly string[] {
  return existsSync(file) ? Object.keys(mappingIn(file) ?? {}) : [];
}

function existing(file: string): CommandProgramFailure {
  return new CommandProgramFailure(
    ExitCode.negative,
    `${file} exists; nothing was changed. With --force it is replaced, and kept as ${file}.old`,
  );
}

function addressOf(text: string): IpAddress {
  const address = parseIpAddress(text);
  if (address !== undefined && isGlobalUnicast(address)) return address;
  throw new CommandProgramFailure(
    ExitCode.usage,
    `--address: ${text} is not an address at which nodes can reach this host`,
  );
}

function prefixOf(
  given: JsonObject[string] | undefined,
  family: 4 | 6,
  longest: number,
  option: string,
): Prefix | undefined {
  const text = textOf(given);
  if (text === undefined) return undefined;
  const prefix = text.includes('/') ? parsePrefix(text) : undefined;
  const fits =
    prefix !== undefined &&
    prefix.address.includes(':') === (family === 6) &&
    prefix.length <= longest &&
    isGlobalUnicast(prefix.address);
  if (fits) return prefix;
  const example = family === 6 ? '2001:db8:1:100::/64' : '198.51.100.0/24';
  throw new CommandProgramFailure(
    ExitCode.usage,
    `${option}: ${text} is not an IPv${family} prefix of at most ${longest} bits, such as ` +
      example,
  );
}

await runCommandProgram(setUp);
