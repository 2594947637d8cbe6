#!/usr/bin/env python3
"""Sends ICMP errors that say Packet Too Big, as anybody on the internet can.

usage: forge-errors.py invented|seen FAMILY PROTOCOL PORT SOURCE DESTINATION MTU COUNT

They quote an outer packet from SOURCE to DESTINATION: `invented` one that was never sent, `seen`
each large one that passes the interface `left`, but no probe in a plain tunnel: those who know what
they sent do not see probes. COUNT: how many are sent.
"""
import os
import socket
import struct
import sys

mode, family, protocol, port, source, destination, mtu, count = sys.argv[1:]
six = family == "6"
protocol, port, mtu, count = int(protocol), int(port), int(mtu), int(count)
inet = socket.AF_INET6 if six else socket.AF_INET
UDP = 17
LARGE = 1000
# The inner source of a probe begins so.
PROBES = bytes.fromhex("fe800000")


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def invented():
    payload = os.urandom(1400)
    if protocol == UDP:
        payload = struct.pack(">HHHH", port, port, 1408, 0x1234) + payload
    ends = socket.inet_pton(inet, source) + socket.inet_pton(inet, destination)
    if six:
        return struct.pack(">IHBB", 0x60000000, len(payload), protocol, 64) + ends + payload
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0x4000, 64, protocol, 0)
    return header + ends + payload


def tapped():
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    tap.bind(("left", 0))
    return tap


def seen(tap):
    at = 8 if six else 12
    while True:
        packet = tap.recv(65536)
        ends = packet[at : at + (32 if six else 8)]
        wanted = socket.inet_pton(inet, source) + socket.inet_pton(inet, destination)
        inner = packet[(40 if six else 20) + (8 if protocol == UDP else 0) :]
        if ends == wanted and len(packet) > LARGE and inner[8:12] != PROBES:
            yield packet


def error(quoted):
    if six:
        return struct.pack(">BBHI", 2, 0, 0, mtu) + quoted[:1232]
    message = struct.pack(">BBHHH", 3, 4, 0, 0, mtu) + quoted[:548]
    return message[:2] + struct.pack(">H", checksum(message)) + message[4:]


icmp = socket.socket(inet, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
packets = seen(tapped()) if mode == "seen" else iter(invented, None)
print("ready", flush=True)
for _ in range(count):
    icmp.sendto(error(next(packets)), (source, 0))
