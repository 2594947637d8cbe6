/**
 * Clients of a direction coordinator as processes in namespaces: their credentials, commands and
 * messages.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { hex } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { makeCredential } from '#crypto/node-credential.ts';
import { keyPairOf, sha256, signingKeyOf } from '#crypto/primitives.ts';
import { inNamespace, waitFor } from '#lab/shell.ts';
import type { ClientOptions } from './ntmobile-client.ts';

const CLIENT = new URL('ntmobile-client.ts', import.meta.url).pathname;

export const PORTS = { port: 7890, alternatePort: 7891 } as const;
/** A seed of 32 octets. */
export const seed = (word: string): Uint8Array => sha256(new TextEncoder().encode(word));
export const AUTHORITY = signingKeyOf(seed('authority'));

/** The node's credential in hexadecimal digits, signed by the authority. */
export function credentialOf(name: string, authority = AUTHORITY): string {
  const { publicKey } = keyPairOf(seed(name));
  const now = BigInt(Math.floor(Date.now() / 1000));
  const last = name.charCodeAt(0);
  const virtual = {
    virtualIpv6: ipv6(`fd12:3456:789a::${last.toString(16)}`),
    virtualIpv4: ipv4(`198.18.0.${last}`),
  };
  const times = { notBefore: now - 10n, notAfter: now + 3600n };
  return hex(
    makeCredential(authority, {
      publicKey,
      ...virtual,
      ...times,
      name: `${name}.nodes.example`,
      groups: [],
    }),
  );
}

interface ClientMessage {
  readonly established?: true;
  readonly purpose?: string;
  readonly request?: Readonly<Record<string, unknown>>;
  readonly answer?: Readonly<Record<string, unknown>> | null;
}

/** A node in a namespace. */
export class Client {
  readonly messages: ClientMessage[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  constructor(namespace: string, options: ClientOptions) {
    const [program = '', ...argv] = inNamespace(namespace, [
      process.execPath,
      CLIENT,
      JSON.stringify(options),
    ]);
    this.#child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface(this.#child.stdout).on('line', (line) => this.messages.push(JSON.parse(line)));
  }

  async ask(command: string): Promise<ClientMessage['answer']> {
    const purpose = command.split(' ')[0];
    const before = this.messages.length;
    this.#child.stdin.write(`${command}\n`);
    const found = () =>
      this.messages
        .slice(before)
        .find((one) => (purpose === 'connect' ? one.established : one.purpose === purpose));
    return (await waitFor(found, { timeoutMs: 22_000, what: `an answer to ${command}` })).answer;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    await ended;
  }
}
