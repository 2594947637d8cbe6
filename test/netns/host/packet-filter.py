"""Sends IPv6 packets of every kind to a host and prints, as JSON, which of them the host answered
with an ICMPv6 error.

Usage: packet-filter.py SOURCE DESTINATION. An echo request follows each packet: once its reply has
arrived, no more answer to the packet can come.
"""
import json, socket, struct, sys

source, destination = sys.argv[1:3]
SOURCE, DESTINATION = (socket.inet_pton(socket.AF_INET6, text) for text in (source, destination))
HOME = socket.inet_pton(socket.AF_INET6, "2001:db8:77::1")


def ipv6(next_header, payload):
    header = struct.pack("!IHBB", 6 << 28, len(payload), next_header, 64)
    return header + SOURCE + DESTINATION + payload


def mobility(kind=0):
    return struct.pack("!BBBBHBB", 59, 1, kind, 0, 0, 0, 0) + bytes(8)


def options(next_header, count):
    # Linux drops more than seven octets of padding, so an unknown option to be skipped fills the
    # space.
    body = bytes([1, 2, 0, 0]) + (bytes([0x1E, 6]) + bytes(6)) * count + bytes([0xC9, 16]) + HOME
    return bytes([next_header, (2 + len(body)) // 8 - 1]) + body


def transport(next_header):
    return {135: mobility(), 59: b"", 58: echo(9)}[next_header]


def echo(sequence):
    body = struct.pack("!BBHHH", 128, 0, 0, 77, sequence)
    pseudo = SOURCE + DESTINATION + struct.pack("!II", len(body), 58) + body
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return body[:2] + struct.pack("!H", 0xFFFF - total) + body[4:]


routing = bytes([135, 2, 2, 1]) + bytes(4) + HOME
inner = ipv6(59, b"")
packets = {
    "home-address": ipv6(60, options(135, 0) + mobility(5)),
    "home-address-further": ipv6(60, options(135, 2) + mobility(5)),
    "home-address-data": ipv6(60, options(59, 0)),
    "type-2-routing": ipv6(43, routing + mobility(6)),
    "mobility": ipv6(135, mobility(1)),
    "tunnel-6": ipv6(41, inner),
    "tunnel-4": ipv6(4, bytes([0x45]) + bytes(19)),
    "esp-of-daemon": ipv6(50, struct.pack("!II", 1001, 1) + bytes(32)),
    "esp-of-others": ipv6(50, struct.pack("!II", 1002, 1) + bytes(32)),
    "unknown-protocol": ipv6(253, bytes(8)),
    "unknown-option": ipv6(60, bytes([59, 0, 0x8B, 4]) + bytes(4)),
}

out = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
back = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
back.settimeout(5)
answered = []
for sequence, (name, packet) in enumerate(packets.items(), start=100):
    out.sendto(packet, (destination, 0))
    out.sendto(ipv6(58, echo(sequence)), (destination, 0))
    while True:
        message = back.recv(2048)
        if message[0] in (1, 4) and name not in answered:
            answered.append(name)
        if message[0] == 129 and message[6:8] == struct.pack("!H", sequence):
            break
print(json.dumps(answered))
