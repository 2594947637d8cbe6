import { defineConfig } from 'vitest/config';

/**
 * Tests that count every packet of the data plane, or load it or a daemon: beside other work they
 * would measure that.
 */
const PLANE = [
  'test/netns/plane/*.test.ts',
  'test/netns/ntmobile/flood.test.ts',
  'test/netns/floods/responder-flood.test.ts',
];

/** The layers of tests: `pure` needs no privilege; `plane` and `netns` run real packets inside the lab's own namespaces (see lab/enter.ts);
 * `systemd` installs the suite on a machine with systemd, `docker` runs the lab in containers (root only); `vm` needs
 * a stock kernel (see test/vm/run). */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'pure',
          include: [
            'test/*.test.ts',
            'test/unit/**/*.test.ts',
            'test/sim/**/*.test.ts',
            'test/fuzz/**/*.test.ts',
            'test/scenario/**/*.test.ts',
            'test/contract/**/*.test.ts',
            'test/conformance/**/*.test.ts',
          ],
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'plane',
          include: PLANE,
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'netns',
          include: ['test/netns/**/*.test.ts'],
          exclude: PLANE,
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'vm',
          include: ['test/vm/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'systemd',
          include: ['test/systemd/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'docker',
          include: ['test/docker/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
    ],
  },
});
