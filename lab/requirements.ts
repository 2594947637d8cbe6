import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { isProgram, searchPath } from './enter.ts';

/**
 * Checks the machine's requirements for the demo, the tests, the benchmarks and test/vm/run: `node
 * lab/requirements.ts demo|test|bench|vm`. As root it installs missing Debian packages; as an
 * ordinary user it names the one command that does, and exits with 69 (EX_UNAVAILABLE), as it does
 * for a kernel that lacks something.
 */

type Purpose = 'demo' | 'test' | 'bench' | 'vm';

/** A program and its Debian package. */
type Requirement = readonly [program: string, debianPackage: string];

const DEMO: readonly Requirement[] = [
  ['ip', 'iproute2'],
  ['unshare', 'util-linux'],
  ['nsenter', 'util-linux'],
  ['setpriv', 'util-linux'],
  ['mount', 'mount'],
  ['perl', 'perl-base'],
  ['nft', 'nftables'],
  ['radvd', 'radvd'],
  ['dnsmasq', 'dnsmasq-base'],
  ['udhcpc', 'udhcpc'],
  ['ethtool', 'ethtool'],
  ['conntrack', 'conntrack'],
  ['ping', 'iputils-ping'],
  ['curl', 'curl'],
  ['miredo', 'miredo'],
  ['miredo-server', 'miredo-server'],
  ['NetworkManager', 'network-manager'],
  ['dbus-daemon', 'dbus-daemon'],
  ['networkctl', 'systemd'],
];

const TEST: readonly Requirement[] = [
  ...DEMO,
  ['tshark', 'tshark'],
  ['iperf3', 'iperf3'],
  ['ssh', 'openssh-client'],
  ['sshd', 'openssh-server'],
  ['rdisc6', 'ndisc6'],
  ['bird', 'bird2'],
  ['dig', 'bind9-dnsutils'],
  ['python3', 'python3-minimal'],
  ['openssl', 'openssl'],
  ['groff', 'groff-base'],
  ['mandoc', 'mandoc'],
  ['debootstrap', 'debootstrap'],
  ['dpkg-deb', 'dpkg'],
  ['promtool', 'prometheus'],
  ['zsh', 'zsh'],
  ['mandoc', 'mandoc'],
  ['clang++-14', 'clang-14'],
];

/** Programs for the stages that only root can run. */
const TEST_OF_ROOT: readonly Requirement[] = [
  ['dockerd', 'docker.io'],
  ['docker', 'docker.io'],
  ['docker-compose', 'docker-compose'],
  ['iptables', 'iptables'],
  ['mmdebstrap', 'mmdebstrap'],
];

const BENCH: readonly Requirement[] = [
  ...DEMO,
  ['iperf3', 'iperf3'],
  ['wg', 'wireguard-tools'],
  ['wireguard-go', 'wireguard-go'],
  ['openvpn', 'openvpn'],
  ['openssl', 'openssl'],
  ['tayga', 'tayga'],
  ['charon-systemd', 'charon-systemd'],
  ['swanctl', 'strongswan-swanctl'],
];

/** test/vm/run: the tests' programs inside, and those that make and run the virtual machine. */
const VM: readonly Requirement[] = [
  ...TEST,
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['modprobe', 'kmod'],
  ['cpio', 'cpio'],
  ['busybox', 'busybox'],
  ['wg-quick', 'wireguard-tools'],
];

/** Libraries have no program to look for, so each is found by a file of its package. */
const TEST_FILES: readonly Requirement[] = [
  ['/usr/share/keyrings/debian-archive-keyring.gpg', 'debian-archive-keyring'],
  ['/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux', 'libclang-rt-14-dev'],
  ['/usr/lib/python3/dist-packages/dissononce', 'python3-dissononce'],
  ['/usr/lib/python3/dist-packages/scapy', 'python3-scapy'],
  ['/usr/lib/python3/dist-packages/cryptography', 'python3-cryptography'],
];

/** AES-128-GCM in one call; the plane works without it. */
const MULTI_BUFFER_LIBRARY: readonly Requirement[] =
  process.arch === 'x64' ? [['/usr/lib/x86_64-linux-gnu/libIPSec_MB.so.1', 'libipsec-mb1']] : [];

const FILES: Readonly<Record<Purpose, readonly Requirement[]>> = {
  demo: [],
  test: [...TEST_FILES, ...MULTI_BUFFER_LIBRARY],
  bench: [
    ...MULTI_BUFFER_LIBRARY,
    ['/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so', 'libcharon-extra-plugins'],
    ['/usr/lib/ipsec/plugins/libstrongswan-openssl.so', 'libstrongswan-standard-plugins'],
  ],
  vm: [],
};

const PROGRAMS: Readonly<Record<Purpose, readonly Requirement[]>> = {
  demo: DEMO,
  test: TEST,
  bench: BENCH,
  vm: VM,
};

/** Debian packages of missing programs, each once, in a stable order. */
function missingPackages(purpose: Purpose): readonly string[] {
  const required =
    purpose === 'test' && isRoot() ? [...PROGRAMS.test, ...TEST_OF_ROOT] : PROGRAMS[purpose];
  const programs = required.filter(([program]) => !isProgram(program));
  const files = FILES[purpose].filter(([file]) => !existsSync(file));
  return [...new Set([...programs, ...files].map(([, debianPackage]) => debianPackage))];
}

function isPurpose(text: string | undefined): text is Purpose {
  return text !== undefined && Object.hasOwn(PROGRAMS, text);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Kernel features that the lab lacks, each with its remedy; empty if the lab can run. */
function missingKernelFeatures(): readonly string[] {
  return [...tunDevice(), ...namespaces()];
}

function tunDevice(): string[] {
  const device = '/dev/net/tun';
  if (!existsSync(device) || !statSync(device).isCharacterDevice()) {
    return [
      `${device} is missing. Load the module with:  sudo modprobe tun   (in a container: ` +
        `--device ${device})`,
    ];
  }
  try {
    closeSync(openSync(device, 'r+'));
    return [];
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const advice = 'Debian sets its mode to 0666:  sudo chmod 0666';
    return [`${device} cannot be opened (${reason}). ${advice} ${device}   or run as root`];
  }
}

/** If the lab can create a network namespace, it can create the rest. */
function namespaces(): string[] {
  const user = isRoot() ? [] : ['--user', '--map-root-user'];
  const argv = [...user, '--mount', '--net', '--pid', '--fork', '--mount-proc', 'true'];
  const result = spawnSync('unshare', argv, {
    encoding: 'utf8',
    env: { ...process.env, PATH: searchPath() },
  });
  if (result.status === 0) return [];
  const message = (result.stderr ?? '').trim();
  const advice =
    user.length === 0
      ? 'In a container this needs --cap-add SYS_ADMIN and unmasked /proc (--security-opt ' +
        'systempaths=unconfined)'
      : 'An ordinary user needs user namespaces:  sudo sysctl ' +
        'kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000';
  return [`namespaces cannot be made: ${message}\n  ${advice}   or run as root`];
}

function install(packages: readonly string[]): boolean {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', PATH: searchPath() };
  const steps = [
    ['apt-get', 'update', '-q'],
    // The lab runs the daemons itself, so the packages must not start them on the host. Debian's
    // policy-rc.d prevents it.
    ['sh', '-c', INSTALL, 'install', ...packages],
  ];
  return steps.every(
    ([command = '', ...args]) =>
      spawnSync(command, args, { stdio: 'inherit', env: environment }).status === 0,
  );
}

const INSTALL = `set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get install -y -q --no-install-recommends "$@"`;

function main(): number {
  const purpose = process.argv[2];
  if (!isPurpose(purpose)) {
    console.error(`usage: node lab/requirements.ts ${Object.keys(PROGRAMS).join('|')}`);
    return 64;
  }
  const packages = missingPackages(purpose);
  if (packages.length > 0) {
    const command = `apt-get install --no-install-recommends ${packages.join(' ')}`;
    const mayInstall = isRoot() && isProgram('apt-get');
    if (!mayInstall) {
      console.error(`Programs are missing. Install them with:\n\n  sudo ${command}\n`);
      return 69;
    }
    console.error(`installing: ${packages.join(' ')}`);
    if (!install(packages)) {
      console.error(`${command} failed`);
      return 69;
    }
  }
  const lacking = missingKernelFeatures();
  for (const line of lacking) console.error(line);
  return lacking.length === 0 ? 0 : 69;
}

if (import.meta.main) process.exitCode = main();
