/**
 * Writes the configuration of one daemon of the container lab to /etc/sojourn and its keys to
 * /var/lib/sojourn.
 *
 *   node provision.ts ha|as|dc|rsn|mn|mn2|mn3|mr
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { authorityOf, certificateOf, hexOf, passwordOf, publicKeyOf, secret } from './seed.ts';

const CONFIGURATION = '/etc/sojourn';
const STATE = '/var/lib/sojourn';
const SYSTEM = { zone: 'nodes.example', systemPrefix: 'fd53:6f6a:6f75::/48' };
const CORE = { names: ['2001:db8:f::fe', '198.51.100.254'], dc: ['198.51.100.4', '2001:db8:f::4'] };
const COORDINATOR = { name: 'dc.example', publicKey: publicKeyOf('dc'), endpoints: CORE.dc };

const HOMES = {
  mn: { homeAddress: '2001:db8:200::10', ipv4HomeAddress: '203.0.113.10' },
  mr: { homeAddress: '2001:db8:200::20', ipv4HomeAddress: '203.0.113.20' },
} as const;
type HomeName = keyof typeof HOMES;

const MOBILE_NETWORK = ['2001:db8:500::/64', '192.0.2.128/28'];

function homeAgent() {
  const grant = (name: HomeName) => ({
    identifier: `${name}@example.net`,
    publicKey: publicKeyOf(name),
    homeAddresses: [HOMES[name].homeAddress],
    ipv4HomeAddresses: [HOMES[name].ipv4HomeAddress],
  });
  return {
    addresses: ['2001:db8:f::2'],
    ipv4Addresses: ['198.51.100.2'],
    homePrefixes: ['2001:db8:200::/64'],
    ipv4HomePrefixes: ['203.0.113.0/25'],
    mobileNodes: [grant('mn'), { ...grant('mr'), mobileNetworkPrefixes: MOBILE_NETWORK }],
  };
}

function home(name: HomeName) {
  const { homeAddress, ipv4HomeAddress } = HOMES[name];
  return {
    ...{
      name: 'home',
      homeAgent: 'ha.example',
      homeAddress,
      ipv4HomeAddress,
      virtualHomeNetwork: true,
    },
    ...{ identifier: `${name}@example.net`, publicKey: publicKeyOf('ha') },
  };
}

/** Frequent keepalives, because the lab moves often. */
const MOBILE = { interfaces: [{ match: 'eth*', preference: 1 }], natKeepaliveSeconds: 20 };

function mobileRouter() {
  const device = process.env['LAN_DEVICE'] ?? 'eth0';
  return {
    ...MOBILE,
    daemon: { resolvers: CORE.names },
    homes: [{ ...home('mr'), mobileNetworkPrefixes: MOBILE_NETWORK }],
    mobileNetworks: [{ device, addresses: ['2001:db8:500::1/64', '192.0.2.129/28'] }],
  };
}

async function ntmobile(account: string) {
  const { fingerprint } = await certificateOf('as.example');
  return {
    accountServer: { host: 'as.example', fingerprint },
    account,
    passwordFile: keep(`${account}.password`, passwordOf(account)),
    resolver: 'resolv-conf',
  };
}

async function configurationOf(name: string): Promise<object> {
  switch (name) {
    case 'ha':
      keep('ha.key', hexOf(secret('ha')));
      return homeAgent();
    case 'mr':
      keep('mr.key', hexOf(secret('mr')));
      return mobileRouter();
    case 'mn':
      keep('mn.key', hexOf(secret('mn')));
      return { ...MOBILE, daemon: { resolvers: CORE.names }, homes: [home('mn')] };
    case 'mn2':
    case 'mn3':
      return { daemon: { name, resolvers: CORE.names }, ntmobile: await ntmobile(name) };
    case 'as':
      keep('as.authority.key', hexOf(secret('as authority')));
      keep('as.exchange.key', hexOf(secret('as exchange')));
      keep('as.tls.pem', (await certificateOf('as.example')).pem);
      return { ...SYSTEM, directionCoordinators: [COORDINATOR] };
    case 'dc':
      keep('dc.key', hexOf(secret('dc')));
      keep('dc.secret', hexOf(secret('dc secret')));
      return {
        ...SYSTEM,
        addresses: CORE.dc,
        authorities: [authorityOf('as authority')],
        relayKeys: [publicKeyOf('rsn')],
      };
    case 'rsn':
      keep('rsn.key', hexOf(secret('rsn')));
      return {
        addresses: ['198.51.100.5', '2001:db8:f::5'],
        systemPrefix: SYSTEM.systemPrefix,
        authorities: [authorityOf('as authority')],
        directionCoordinators: [COORDINATOR],
        // The servers of the lab are on the relay's own link.
        allowedDestinations: ['198.51.100.0/24', '2001:db8:f::/64'],
        daemon: { resolvers: CORE.names },
      };
    default:
      throw new Error(`the lab has no daemon named ${name}`);
  }
}

/** Writes a file that only its owner can read, unless it exists. */
function keep(name: string, text: string): string {
  const file = join(STATE, name);
  if (!existsSync(file)) writeFileSync(file, `${text}\n`, { mode: 0o600 });
  return file;
}

const [name = ''] = process.argv.slice(2);
for (const directory of [CONFIGURATION, STATE]) mkdirSync(directory, { recursive: true });
writeFileSync(join(CONFIGURATION, `${name}.yaml`), stringify(await configurationOf(name)), {
  mode: 0o600,
});
