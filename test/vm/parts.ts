/** What the virtual machine runs, in this order. */

export interface Part {
  readonly about: string;
  /** A program inside the lab, or a vitest project with some of its files. */
  readonly work:
    | { readonly kind: 'program'; readonly argv: readonly string[] }
    | { readonly kind: 'tests'; readonly project: string; readonly files: readonly string[] };
  /** True if it needs Debian's root directory of test/systemd, which only root can make. */
  readonly needsDebianRoot?: boolean;
}

/**
 * The demos at the rate that one emulated processor carries through all hosts of the lab.
 */
const demo = (name: string, about: string): Part => ({
  about,
  work: {
    kind: 'program',
    argv: ['node', 'lab/demo.ts', name, '--rate', '100000', '--stay', '1'],
  },
});

const netns = (about: string, ...files: readonly string[]): Part => ({
  about,
  work: { kind: 'tests', project: 'netns', files: files.map((file) => `test/netns/${file}`) },
});

export const PARTS: Readonly<Record<string, Part>> = {
  demo: demo('node', 'demo of a mobile node'),
  'demo-nemo': demo('nemo', 'demo of a mobile router'),
  'demo-ntmobile': demo('ntmobile', 'demo of NTMobile nodes'),
  'other-ends': {
    about: 'the kernel’s own Mobile IPv6 and WireGuard, which only a stock kernel has',
    work: { kind: 'tests', project: 'vm', files: [] },
  },
  host: netns(
    'routes, rules, packet filters, devices and sysctls',
    'host/kernel.test.ts',
    'host/packet-filter.test.ts',
    'host/devices-without-ipv6.test.ts',
    'host/tunnel-device.test.ts',
    'host/mobile-router-host.test.ts',
  ),
  'mobile-ipv6': netns(
    'registrations and moves of a mobile node',
    'mobile-ipv6/registration-capture.test.ts',
    'mobile-ipv6/foreign-routes.test.ts',
  ),
  nemo: netns('a mobile router', 'nemo/nemo-router.test.ts'),
  ntmobile: netns('NTMobile nodes', 'ntmobile/node-daemon.test.ts'),
  package: {
    about: 'the Debian package and its units on a machine with systemd',
    work: { kind: 'tests', project: 'systemd', files: [] },
    needsDebianRoot: true,
  },
};
