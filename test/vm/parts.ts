/** What the virtual machine runs, in this order. */

export interface Part {
  readonly about: string;
  /** Rough time that it takes in the machine, to share the parts among machines. */
  readonly seconds: number;
  /** A program inside the lab, or a vitest project with some of its files. */
  readonly work:
    | { readonly kind: 'program'; readonly argv: readonly string[] }
    | { readonly kind: 'tests'; readonly project: string; readonly files: readonly string[] };
  /** True if it runs only when `--only` names it. */
  readonly onRequest?: boolean;
  /** True if it needs Debian's root directory of test/systemd, which only root can make. */
  readonly needsDebianRoot?: boolean;
}

/**
 * The demos at the rate that one emulated processor carries through all hosts of the lab.
 */
const demo = (name: string, seconds: number, about: string): Part => ({
  about,
  seconds,
  work: {
    kind: 'program',
    argv: ['node', 'lab/demo.ts', name, '--rate', '100000', '--stay', '1'],
  },
});

const netns = (seconds: number, about: string, ...files: readonly string[]): Part => ({
  about,
  seconds,
  work: { kind: 'tests', project: 'netns', files: files.map((file) => `test/netns/${file}`) },
});

export const PARTS: Readonly<Record<string, Part>> = {
  demo: demo('node', 26, 'demo of a mobile node'),
  'demo-nemo': demo('nemo', 32, 'demo of a mobile router'),
  'demo-ntmobile': demo('ntmobile', 58, 'demo of NTMobile nodes'),
  'other-ends': {
    about: 'the kernel’s own Mobile IPv6 and WireGuard, which only a stock kernel has',
    seconds: 51,
    work: { kind: 'tests', project: 'vm', files: [] },
  },
  host: netns(
    117,
    'routes, rules, packet filters, devices and sysctls',
    'host/kernel.test.ts',
    'host/packet-filter.test.ts',
    'host/devices-without-ipv6.test.ts',
    'host/tunnel-device.test.ts',
    'host/mobile-router-host.test.ts',
  ),
  'mobile-ipv6': netns(
    145,
    'registrations and moves of a mobile node, and leaving its home link',
    'mobile-ipv6/left-home.test.ts',
    'mobile-ipv6/hand-made-packets.test.ts',
    'mobile-ipv6/registration-capture.test.ts',
    'mobile-ipv6/foreign-routes.test.ts',
  ),
  // The demos of a mobile router and of NTMobile cover the same parts of the kernel; with both of
  // these the whole run takes more than 20 minutes on two cores.
  nemo: { ...netns(31, 'a mobile router', 'nemo/nemo-router.test.ts'), onRequest: true },
  ntmobile: {
    ...netns(50, 'NTMobile nodes', 'ntmobile/node-daemon.test.ts'),
    onRequest: true,
  },
  package: {
    about: 'the Debian package and its units on a machine with systemd',
    seconds: 340,
    work: { kind: 'tests', project: 'systemd', files: [] },
    needsDebianRoot: true,
    onRequest: true,
  },
};

/** The parts that run by default. */
export function defaultParts(): readonly string[] {
  return Object.keys(PARTS).filter((name) => PARTS[name]?.onRequest !== true);
}

/**
 * Shares parts among at most `machines` machines so that they end at about the same time: the
 * longest part goes first, each to the machine with the least work. Each share keeps the order of
 * `names`; none is empty.
 */
export function shares(names: readonly string[], machines: number): readonly (readonly string[])[] {
  const secondsOf = (name: string): number => PARTS[name]?.seconds ?? 0;
  const loads = Array.from({ length: Math.max(1, Math.min(machines, names.length)) }, () => ({
    names: new Set<string>(),
    seconds: 0,
  }));
  for (const name of names.toSorted((a, b) => secondsOf(b) - secondsOf(a))) {
    const least = loads.reduce((a, b) => (b.seconds < a.seconds ? b : a));
    least.names.add(name);
    least.seconds += secondsOf(name);
  }
  return loads.map((load) => names.filter((name) => load.names.has(name)));
}
