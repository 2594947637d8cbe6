/** A mobile node and its home agent, which agree on post-quantum keys or do not. */
import { encode } from '#base/bytes.ts';
import type { PostQuantumMode } from '#engine/sealed/post-quantum-agreement.ts';
import { postQuantumOptions } from '#engine/sealed/post-quantum-agreement.ts';
import { sealingKeysOf } from '#engine/sealed/sealing-keys.ts';
import type { Session } from '#engine/sealed/session.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { type NtmobileMessage, ntmobileMessageCodec } from '#wire/ntmobile/message.ts';
import { COORDINATOR, End, NO_PATH, NODE, World } from './sessions-scene.ts';

const KEY_MESSAGE_OCTETS = 1000;

/** Whether a datagram carries a key or a ciphertext of ML-KEM. */
export const isExchange = (octets: Uint8Array): boolean =>
  (octets[0] ?? 0) >> 4 === 9 && octets.length > KEY_MESSAGE_OCTETS;

export class PostQuantumScene {
  readonly world = new World();
  readonly node = new End(this.world, 1, NODE);
  readonly agent = new End(this.world, 2, COORDINATOR);
  readonly session: Session;
  /** Every datagram that was sent. */
  readonly sent: Uint8Array[] = [];

  constructor(
    node: PostQuantumMode,
    agent: PostQuantumMode,
    { use = HandshakeUse.homeAgent }: { readonly use?: number } = {},
  ) {
    this.world.ends.push(this.node, this.agent);
    this.agent.postQuantum = agent;
    this.impair((_) => [10]);
    const to = {
      ...{ publicKey: this.agent.publicKey, use, pathId: NO_PATH },
      udpPath: this.node.pathTo(COORDINATOR),
      identity: postQuantumOptions(node),
    };
    this.session = this.node.act((step) => this.node.sessions.connect(step, to));
  }

  impair(delays: (octets: Uint8Array) => readonly number[]): void {
    this.world.deliveryDelays = (octets) => {
      this.sent.push(octets.slice());
      return delays(octets);
    };
  }

  /** The home agent's session; the newest after a restart. */
  get other(): Session | undefined {
    return this.agent.establishedSessions.at(-1);
  }

  /** The node or the home agent gets a control message, sealed by the other one. */
  deliver(to: End, message: NtmobileMessage): void {
    this.deliverOctets(to, encode(ntmobileMessageCodec, message));
  }

  deliverOctets(to: End, plaintext: Uint8Array): void {
    const sender = to === this.node ? this.other : this.session;
    const datagram = sender?.current?.sealer.seal('control', plaintext);
    if (datagram === undefined) throw new Error('no keys');
    const from = to === this.node ? COORDINATOR : NODE;
    to.act((step) => to.sessions.receive(step, to.pathTo(from), datagram));
  }

  /** The kind of keys that seal data at both ends. */
  kinds(): readonly string[] {
    return [kindOf(this.session), kindOf(this.other)];
  }

  /** A data key that one end seals with and the other does not open. */
  unopened(): string | undefined {
    const { session, other } = this;
    if (other === undefined) return undefined;
    const [mine, theirs] = [sealingKeysOf(1, [session]), sealingKeysOf(1, [other])];
    const opens = (spi: number | undefined, keys: typeof mine): boolean =>
      spi === undefined || keys.receive.some((key) => key.spi === spi);
    if (!opens(mine.send?.spi, theirs)) return 'the home agent does not open the data of the node';
    return opens(theirs.send?.spi, mine)
      ? undefined
      : 'the node does not open the data of the home agent';
  }
}

function kindOf(session: Session | undefined): string {
  const sealing = session?.sealing;
  if (sealing === undefined) return 'none';
  return sealing.postQuantum ? 'post-quantum' : 'classical';
}
