"""Sends what must not leave a host beside its tunnel, 20 times a second until it is killed.

Arguments: the access interface, or "-" for none; then addresses of hosts. To each it sends a UDP
datagram as routing likes it and one through the interface, a name query each way, and opens a TCP
connection; and it sends to groups of the link.
"""
import socket
import sys
import time

QUERY = bytes.fromhex("abcd01000001000000000000") + b"\x04leak\x07example\x00\x00\x01\x00\x01"
device, hosts = sys.argv[1], sys.argv[2:]
GROUPS = [("224.0.0.251", 5353), ("ff02::fb", 5353), ("255.255.255.255", 9)]


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def opened(host, kind, bound):
    one = socket.socket(family(host), kind)
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if bound:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    return one


def attempt(host, port, kind, bound, octets):
    try:
        with opened(host, kind, bound) as one:
            if kind == socket.SOCK_STREAM:
                one.connect((host, port))
            else:
                one.sendto(octets, (host, port))
    except OSError:
        pass


print("ready", flush=True)
while True:
    for bound in (False, True) if device != "-" else (False,):
        for host in hosts:
            attempt(host, 9, socket.SOCK_DGRAM, bound, b"leak")
            attempt(host, 53, socket.SOCK_DGRAM, bound, QUERY)
            attempt(host, 80, socket.SOCK_STREAM, bound, b"")
        for host, port in GROUPS:
            attempt(host, port, socket.SOCK_DGRAM, bound, b"leak")
    time.sleep(0.05)
