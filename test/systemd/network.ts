/**
 * The network of a machine: the home agent's side and, in a namespace, the mobile node's side, with
 * a router between them.
 */
import type { Machine } from './machine.ts';

export const ADDRESSES = {
  homeAgent: '2001:db8:1::1',
  homeAgentIpv4: '192.0.2.1',
  home: '2001:db8:1:100::10',
  /** The care-of addresses in the two access networks. */
  first: '2001:db8:2::5',
  second: '2001:db8:3::5',
} as const;

const SETUP = `set -eu
ip link set lo up
for name in core mn; do ip netns add $name; ip -n $name link set lo up; done
ip netns exec core sysctl -q net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1
ip link add net0 type veth peer name up0 netns core
ip link add eth0 netns mn type veth peer name down0 netns core
ip link add eth1 netns mn type veth peer name down1 netns core
ip address add ${ADDRESSES.homeAgent}/64 dev net0 nodad
ip address add ${ADDRESSES.homeAgentIpv4}/24 dev net0
ip link set net0 up
for link in up0=2001:db8:1::2 down0=2001:db8:2::1 down1=2001:db8:3::1; do
  ip -n core address add "\${link#*=}/64" dev "\${link%=*}" nodad
  ip -n core link set "\${link%=*}" up
done
ip -6 route add default via 2001:db8:1::2
ip -n core -6 route add 2001:db8:1:100::/64 via ${ADDRESSES.homeAgent}`;

/** The mobile node is not connected to a link yet. */
export async function makeNetwork(machine: Machine): Promise<void> {
  await machine.run(['sh', '-c', SETUP]);
}

/** Connects the mobile node to one access network and disconnects it from the other. */
export async function moveTo(machine: Machine, link: 'first' | 'second'): Promise<void> {
  const [device, other, router] =
    link === 'first' ? ['eth0', 'eth1', '2001:db8:2::1'] : ['eth1', 'eth0', '2001:db8:3::1'];
  const script = `set -eu
ip -n mn link set ${other} down
ip -n mn link set ${device} up
ip -n mn address replace ${ADDRESSES[link]}/64 dev ${device} nodad
ip -n mn -6 route replace default via ${router} dev ${device}`;
  await machine.run(['sh', '-c', script]);
}
