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
    argv: ['node', 'lab/demo.ts', name, '--rate', '200000', '--stay', '1'],
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
  host: netns('routes, rules, packet filters and sysctls', 'host/'),
  'mobile-ipv6': netns(
    'registrations and moves',
    'mobile-ipv6/registration-capture.test.ts',
    'mobile-ipv6/advertised-home-agent.test.ts',
    'mobile-ipv6/security.test.ts',
    'mobile-ipv6/stale-home-agent.test.ts',
  ),
  nemo: netns('mobile routers', 'nemo/mobile-network.test.ts', 'nemo/nemo-router.test.ts'),
  ntmobile: netns('NTMobile nodes', 'ntmobile/node-daemon.test.ts', 'ntmobile/resolver.test.ts'),
  package: {
    about: 'the Debian package and its units on a machine with systemd',
    work: { kind: 'tests', project: 'systemd', files: [] },
    needsDebianRoot: true,
  },
};
