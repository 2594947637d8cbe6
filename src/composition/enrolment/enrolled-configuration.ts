/** The configuration of an enrolled node, and its file. */
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { stringify } from 'yaml';
import { hex } from '#base/bytes.ts';
import {
  addressToBytes,
  formatPrefix,
  type IpAddress,
  ipFromBytes,
  networkOf,
  type Prefix,
} from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import type { EnrolmentLine } from '#crypto/enrolment-line.ts';
import { randomBytes } from '#host/process/random.ts';
import type { EnrolmentGrant } from '#wire/ntmobile/enrolment-options.ts';
import { daemonOf, keptInHome, keptKeys } from './former-configuration.ts';

const DEFAULT_PORT = 4191;
/** Former configurations that are kept. */
const MOST_FORMER = 100;

interface EnrolledNode {
  readonly role: 'mn' | 'mr';
  readonly line: EnrolmentLine;
  readonly grant: EnrolmentGrant;
  /** Interfaces of the mobile networks, in the order of the prefixes; the last has the rest. */
  readonly networkDevices: readonly string[];
  /** Unless it is that of the former configuration, or the usual one. */
  readonly stateDirectory: string | undefined;
  /** Of this node; its keys are kept, but for those of the registration. */
  readonly former: JsonObject | undefined;
}

/** The text of `mn.yaml` or `mr.yaml`. */
export function enrolledConfiguration({ role, ...node }: EnrolledNode): string {
  const { line, grant, networkDevices, stateDirectory, former = {} } = node;
  const prefixes = grant.mobileNetworkPrefixes;
  const home: JsonObject = {
    ...keptInHome(former, line.name),
    homeAgent: [...line.addresses, ...line.ipv4Addresses],
    publicKey: `hex:${hex(line.publicKey)}`,
    homeAddress: grant.homeAddress,
    homePrefix: formatPrefix({
      address: networkOf(grant.homeAddress, grant.homePrefixLength),
      length: grant.homePrefixLength,
    }),
    ...(grant.ipv4HomeAddress === 'none' ? {} : { ipv4HomeAddress: grant.ipv4HomeAddress }),
    ...(grant.virtualHomeNetwork ? { virtualHomeNetwork: true } : {}),
    identifier: line.name,
    ...(role === 'mr' ? { mobileNetworkPrefixes: prefixes.map(formatPrefix) } : {}),
  };
  const networks = role === 'mr' ? { mobileNetworks: networksOf(prefixes, networkDevices) } : {};
  const document: JsonObject = {
    homes: [home],
    ...networks,
    ...(line.port === DEFAULT_PORT ? {} : { udpPort: line.port }),
    ...keptKeys(former),
    ...(stateDirectory === undefined ? {} : { daemon: { ...daemonOf(former), stateDirectory } }),
  };
  const head =
    '# Written by: sojourn enroll use\n' +
    `# All keys: man sojourn.${role}.yaml, and ${role}.yaml among the examples\n`;
  return head + stringify(document);
}

function networksOf(prefixes: readonly Prefix[], devices: readonly string[]): JsonObject[] {
  const addresses = devices.map((): string[] => []);
  for (const [at, prefix] of prefixes.entries())
    addresses[Math.min(at, devices.length - 1)]?.push(routerAddress(prefix));
  return devices.map((device, at) => ({ device, addresses: addresses[at] ?? [] }));
}

/** The first host address of the network. */
function routerAddress({ address, length }: Prefix): string {
  const octets = addressToBytes(address);
  const last = octets.length - 1;
  octets[last] = (octets[last] ?? 0) | 1;
  const router: IpAddress = ipFromBytes(octets);
  return formatPrefix({ address: router, length });
}

/**
 * Makes the file. With `replace`, a former one is kept as `<file>.old`, or under the next name that
 * is free; without it, false says that there is one.
 */
export function writeConfiguration(file: string, text: string, replace: boolean): boolean {
  makeDirectory(dirname(file));
  // Never through a file or link that exists under this name.
  const fresh = `${file}.${hex(randomBytes(8))}`;
  writeFileSync(fresh, text, { mode: 0o644, flush: true, flag: 'wx' });
  try {
    // The user of the unit reads the file, whatever the umask of root is.
    chmodSync(fresh, 0o644);
    if (replace) {
      if (existsSync(file)) keepFormer(file);
      renameSync(fresh, file);
      return true;
    }
    linkSync(fresh, file);
    return true;
  } catch (thrown) {
    if (!replace && existsSync(file)) return false;
    throw thrown;
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** The user of the unit has to pass each directory that is made. */
function makeDirectory(directory: string): void {
  const whole = resolve(directory);
  const first = mkdirSync(whole, { recursive: true });
  if (first === undefined) return;
  for (let made = whole; made.length >= first.length; made = dirname(made)) chmodSync(made, 0o755);
}

/** A former configuration may have keys that exist nowhere else: none is replaced. */
function keepFormer(file: string): void {
  for (let count = 1; count <= MOST_FORMER; count += 1) {
    const kept = count === 1 ? `${file}.old` : `${file}.old${count}`;
    try {
      copyFileSync(file, kept, constants.COPYFILE_EXCL);
      return;
    } catch (thrown) {
      if (lstatSync(kept, { throwIfNoEntry: false }) === undefined) throw thrown;
    }
  }
  throw new Error(`${file}.old to ${file}.old${MOST_FORMER} exist; remove those of no use`);
}
