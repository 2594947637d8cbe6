/**
 * Runs inside the lab's namespaces: observes the kernel's answers before, during and after the use
 * of the packet filter. Prints one line of JSON.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ipv6 } from '#base/ip.ts';
import { openPacketFilter } from '#host/kernel/packet-filter.ts';
import { requireLab } from '#lab/enter.ts';

requireLab();

function run(line: string): string {
  const [program = '', ...parameters] = line.split(' ');
  return execFileSync(program, parameters, { encoding: 'utf8' });
}

//   this namespace  eth0 2001:db8:5::1 ───── 2001:db8:5::2 eth0  peer
run('ip netns add peer');
run('ip link add eth0 type veth peer name eth0 netns peer');
run('ip addr add 2001:db8:5::1/64 dev eth0 nodad');
run('ip link set eth0 up');
run('ip -n peer addr add 2001:db8:5::2/64 dev eth0 nodad');
run('ip -n peer link set eth0 up');
run('sysctl -qw net.ipv6.icmp.ratelimit=0');
// The first packet waits for the carrier and for neighbour resolution.
run('ip netns exec peer ping -q -c 1 -w 10 2001:db8:5::1');

const script = join(import.meta.dirname, 'packet-filter.py');
function answered(): unknown {
  return JSON.parse(run(`ip netns exec peer python3 ${script} 2001:db8:5::2 2001:db8:5::1`));
}

const before = answered();
const filter = await openPacketFilter({
  table: 'sojourn-test',
  addresses: [],
  onLost: () => process.exit(3),
});
const headers = answered();
filter.takeSpi(1001);
filter.take(ipv6('2001:db8:5::1'));
// The set element is effective once nft lists it.
for (const until = Date.now() + 5_000; Date.now() < until; ) {
  if (run('nft list set ip6 sojourn-test outer').includes('2001:db8:5::1')) break;
}
const everything = answered();
await filter.close();
const after = answered();
const left = run('nft list ruleset');
console.log(JSON.stringify({ before, headers, everything, after, left }));
