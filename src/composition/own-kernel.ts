/** The kernel state that a daemon owns, and its removal after a crash. */
import { join } from 'node:path';
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import { runDirectory } from '#daemon/directories.ts';
import { removeInnerAddresses } from '#host/kernel/inner-addresses.ts';
import { openKernel, ROUTING_PROTOCOL } from '#host/kernel/kernel.ts';
import { openNetlink } from '#host/kernel/netlink.ts';
import { removePacketFilter } from '#host/kernel/packet-filter.ts';
import type { OwnDevice } from '#host/kernel/tunnel-device.ts';
import { createClock } from '#host/process/clock.ts';
import type { ClockPort, KernelPort } from '#runtime/ports.ts';

export type Role = keyof typeof ROUTING_PROTOCOL;
type Owner = Pick<DaemonSettings, 'name' | 'device'>;

/** The kernel's tables; entries of `role` carry its own routing protocol number. */
export function openOwnKernel(
  role: Role,
  { name, device }: Owner,
  clock: ClockPort,
  ownDevice?: OwnDevice,
): KernelPort {
  return openKernel({
    netlink: openNetlink(),
    clock,
    protocol: ROUTING_PROTOCOL[role],
    device,
    ...(ownDevice === undefined ? {} : { ownDevice }),
    sysctlFile: join(runDirectory(), `${name}-sysctl.json`),
  });
}

/** Removes the kernel state that a killed run of `role` left. */
export function removeKernelState(role: Role, daemon: Owner): void {
  const kernel = openOwnKernel(role, daemon, createClock());
  try {
    kernel.sweep();
  } finally {
    kernel.close();
  }
  removePacketFilter(daemon.device);
  removeInnerAddresses(daemon.device);
}
