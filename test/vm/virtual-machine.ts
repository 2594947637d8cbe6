/**
 * A virtual machine that sees the host's root directory read-only and no network:
 *
 *   host:  /, read-only ──9p──┐           ┌──9p── report directory (exit code, logs)
 *   ──────────────────────────┼───────────┼─────────────────────
 *   machine:   overlay(tmpfs over /)   /run/report          ttyS0 ── standard output
 *
 * The processor is emulated by software: the machine needs no virtualization of the host.
 */
import { spawn } from 'node:child_process';
import type { StockKernel } from './stock-kernel.ts';

export interface MachineOptions {
  readonly kernel: StockKernel;
  readonly initramfs: string;
  /** The project's directory on the host, and so in the machine. */
  readonly project: string;
  /** A directory on the host that the machine writes to: /run/report in the machine. */
  readonly report: string;
  readonly memoryMiB: number;
  readonly timeoutMs: number;
  /** Receives what the machine writes to its console. */
  readonly print: (text: string) => void;
}

type MachineEnd = 'off' | 'timeout' | 'interrupted';

/** Runs the machine until it switches itself off. */
export function runMachine(options: MachineOptions): Promise<MachineEnd> {
  // The machine must not outlive this process, however it ends.
  const argv = ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...argumentsOf(options)];
  const qemu = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const { promise, resolve, reject } = Promise.withResolvers<MachineEnd>();
  let end: MachineEnd = 'off';
  const stop = (reason: MachineEnd): void => {
    end = reason;
    qemu.kill('SIGKILL');
  };
  const interrupt = (): void => stop('interrupted');
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, interrupt);
  const timer = setTimeout(() => stop('timeout'), options.timeoutMs);
  for (const stream of [qemu.stdout, qemu.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => options.print(text));
  }
  qemu.on('error', reject);
  qemu.on('close', () => resolve(end));
  return promise.finally(() => {
    clearTimeout(timer);
    for (const signal of signals) process.off(signal, interrupt);
  });
}

function argumentsOf(options: MachineOptions): readonly string[] {
  const { kernel } = options;
  const share = (id: string, path: string, more: string): string[] => [
    ...['-fsdev', `local,id=${id},path=${path},security_model=none,multidevs=remap${more}`],
    ...['-device', `virtio-9p-pci,fsdev=${id},mount_tag=${id}`],
  ];
  const commandLine = [
    'console=ttyS0 quiet loglevel=0 panic=-1 no_timer_check tsc=reliable mitigations=off',
    `project=${options.project} modules=${kernel.modules}`,
  ];
  return [
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-nic', 'none'],
    // Five levels of page tables cost time where the processor is emulated.
    ...['-accel', 'tcg', '-cpu', 'max,la57=off'],
    // A nanosecond an instruction while the processor works, the host's time while it is idle.
    ...['-icount', 'shift=0,sleep=on,align=off'],
    ...['-machine', 'pc', '-smp', '1', '-m', String(options.memoryMiB)],
    ...['-device', 'virtio-rng-pci', '-serial', 'stdio', '-monitor', 'none'],
    ...share('root', '/', ',readonly=on'),
    ...share('report', options.report, ''),
    ...['-kernel', kernel.image, '-initrd', options.initramfs],
    ...['-append', commandLine.join(' ')],
  ];
}
