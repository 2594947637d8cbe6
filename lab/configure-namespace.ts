/** Applies the builder's plan for one namespace. */
import { run } from './shell.ts';

/** The plan for one namespace. */
export interface NamespacePlan {
  readonly interfaces: string[];
  /** Lines `path value` below /proc/sys/net. */
  readonly settings: string[];
  readonly ip: string[];
  readonly rules: string[];
}

interface Offloads {
  /** True: links below the core go through a link process in the fabric. */
  readonly linkProcess: boolean;
  readonly segmentationOffload: boolean;
}

/**
 * Applies the plan of a namespace in one shell. A setting with `?` may be missing in this kernel.
 */
export async function configureNamespace(
  namespace: string,
  plan: NamespacePlan,
  design: Offloads,
): Promise<void> {
  const settings = plan.settings.flatMap((setting) =>
    setting.startsWith('EACH ')
      ? plan.interfaces.map((name) => setting.slice(5).replace('%', name))
      : [setting],
  );
  const write = settings.map((setting) => {
    const [path = '', value = ''] = setting.replace('?', '').split(' ');
    const file = `/proc/sys/net/${path}`;
    return setting.startsWith('?')
      ? `[ ! -e ${file} ] || echo ${value} > ${file}`
      : `echo ${value} > ${file}`;
  });
  const offloads = design.segmentationOffload
    ? design.linkProcess
      ? TUNNEL_SEGMENTATION
      : ''
    : 'tso off gso off gro off tx-udp-segmentation off';
  const script = [
    'set -e',
    ...write,
    ...(offloads === '' ? [] : plan.interfaces.map((name) => `ethtool -K ${name} ${offloads}`)),
    `ip -batch - <<'END'\n${plan.ip.join('\n')}\nEND`,
    ...(plan.rules.length === 0 ? [] : [`nft -f - <<'END'\n${plan.rules.join('')}END`]),
  ].join('\n');
  await run(['sh'], { namespace, input: `${script}\n` });
}

/**
 * A packet socket cannot transmit a super-packet inside a tunnel, so the kernel segments those
 * before a link process.
 */
const TUNNEL_SEGMENTATION =
  'tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off ' +
  'tx-ipxip4-segmentation off tx-ipxip6-segmentation off tx-gre-segmentation off';
