"""The data plane of one end of ESP tunnels, by scapy: in the place of a daemon that was killed.

Usage: esp-data-peer.py ask|answer JSON. The argument is {"family", "local", "remote",
"tunnels": [...]}, each tunnel with algorithm, esn, send and receive as [spi, key], the sequence
number to begin with, and the inner addresses source and destination of what this end sends.

Over IPv6, ESP is behind the IP header; over IPv4 it is in UDP, from and to port 4500.
ask: sends an ICMPv6 echo request into each tunnel and prints, as JSON, the SPIs on which the
replies came.
answer: answers each echo request, to where it came from, and prints its SPI in a line.
"""
import importlib, json, select, socket, struct, sys, time
from scapy.all import Raw, raw
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6

Direction = importlib.import_module("esp-peer").Direction
ESP_PROTOCOL, UDP_PORT, IDENTIFIER = 50, 4500, 0x2A


class TunnelEnd(Direction):
    """One direction of a tunnel."""

    def __init__(self, tunnel, name):
        super().__init__(tunnel, name)
        self.spi = tunnel[name][0]
        self.sequence = tunnel["sequence"]
        self.sa.tunnel_header = IPv6(src="::1", dst="::2")

    def seal(self, inner):
        high, low = self.sequence >> 32, self.sequence & 0xFFFFFFFF
        self.sequence += 1
        sealed = raw(self.sa.encrypt(inner, seq_num=low, **self.esn(high)))[40:]
        return sealed[:-16] + self.icv(sealed[:-16], high) if self.covers else sealed

    def open(self, sealed):
        if self.covers:
            assert self.icv(sealed[:-16], 0) == sealed[-16:], "integrity check value"
        packet = IPv6(raw(IPv6(src="::1", dst="::2", nh=ESP_PROTOCOL) / Raw(sealed)))
        return IPv6(raw(self.sa.decrypt(packet, verify=not self.covers, **self.esn(0))))


class Network6:
    def __init__(self, local):
        self.local = local
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, ESP_PROTOCOL)
        self.socket.bind((local, 0))

    def send(self, packet, to):
        self.socket.sendto(packet, (to[0], 0))


class Network4:
    def __init__(self, local):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((local, UDP_PORT))

    def send(self, packet, to):
        self.socket.sendto(packet, to)


def packets(network, seconds):
    """ESP packets and where they came from."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not select.select([network.socket], [], [], left)[0]:
            return
        packet, source = network.socket.recvfrom(65536)
        if len(packet) > 8 and packet[:4] != bytes(4):
            yield packet, source[:2]


def ask(network, ends, asked):
    for outward, _, tunnel in ends:
        echo = ICMPv6EchoRequest(id=IDENTIFIER, data=b"scapy")
        inner = IPv6(src=tunnel["source"], dst=tunnel["destination"]) / echo
        network.send(outward.seal(inner), (asked["remote"], UDP_PORT))
    waiting = {inward.spi: inward for _, inward, _ in ends}
    answered = []
    for packet, _ in packets(network, 5):
        inward = waiting.get(struct.unpack("!I", packet[:4])[0])
        inner = inward and inward.open(packet)
        if inner and ICMPv6EchoReply in inner and inner[ICMPv6EchoReply].id == IDENTIFIER:
            answered.append(inward.spi)
            del waiting[inward.spi]
        if not waiting:
            break
    print(json.dumps(sorted(answered)))


def answer(network, ends, asked):
    print("ready", flush=True)
    by_spi = {inward.spi: (inward, outward) for outward, inward, _ in ends}
    for packet, source in packets(network, 60):
        spi = struct.unpack("!I", packet[:4])[0]
        if spi not in by_spi:
            continue
        inward, outward = by_spi[spi]
        inner = inward.open(packet)
        if ICMPv6EchoRequest not in inner:
            continue
        request = inner[ICMPv6EchoRequest]
        reply = ICMPv6EchoReply(id=request.id, seq=request.seq, data=request.data)
        network.send(outward.seal(IPv6(src=inner.dst, dst=inner.src) / reply), source)
        print(spi, flush=True)


asked = json.loads(sys.argv[2])
network = Network6(asked["local"]) if asked["family"] == 6 else Network4(asked["local"])
tunnels = asked["tunnels"]
ends = [(TunnelEnd(one, "send"), TunnelEnd(one, "receive"), one) for one in tunnels]
{"ask": ask, "answer": answer}[sys.argv[1]](network, ends, asked)
