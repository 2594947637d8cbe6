"""Makes native/test/esp/esp-vectors.h: ESP packets in tunnel mode of scapy's SecurityAssociation
(python3-scapy 2.5), whose initialization vectors are those that the data plane derives from a nonce.

scapy leaves the high half of an extended sequence number out of ESP's HMAC; the integrity check
value of these packets is computed here, as RFC 4303 §2.2.1 says.
"""
import hashlib, hmac, struct
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from scapy.all import IP, UDP, Raw, raw
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation

SPI = 0x1234
HIGH = 5
EPOCH = 0x0A0B0C
OCTETS = bytes(range(1, 100))
OUTER = IPv6(src="2001:db8::1", dst="2001:db8::2")


def derived(name, key, nonce):
    if name == "espGcm":
        return nonce
    if name == "espNull":
        return b""
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return block.update(nonce + bytes(8))


def vector(name, crypt, key, auth_key, low, esn, inner):
    sequence = low + (HIGH << 32 if esn else 0)
    iv = derived(name, key, struct.pack("!Q", EPOCH << 40 | sequence))
    extended = {"esn_en": True, "esn": HIGH} if esn and auth_key is None else {}
    association = SecurityAssociation(
        ESP, spi=SPI, crypt_algo=crypt, crypt_key=key or None, tunnel_header=OUTER,
        auth_algo=None if auth_key is None else "SHA2-256-128", auth_key=auth_key, **extended)
    sealed = raw(association.encrypt(inner, seq_num=low, iv=iv or None, **extended))[40:]
    if esn and auth_key is not None:
        covered = sealed[:-16]
        digest = hmac.new(auth_key, covered + struct.pack("!L", HIGH), hashlib.sha256).digest()
        sealed = covered + digest[:16]
    fields = [f"Protection::{name}", "true" if esn else "false", f"{sequence}u"]
    texts = [(key + (auth_key or b"")).hex(), raw(inner).hex(), sealed.hex()]
    lines = ["    {" + ", ".join(fields) + ","]
    for text in texts:
        pieces = [text[at:at + 88] for at in range(0, len(text), 88)]
        lines += [f'     "{piece}"' for piece in pieces]
        lines[-1] += ","
    return lines


FORMS = (
    [("espGcm", "AES-GCM", OCTETS[:n + 4], None) for n in (16, 24, 32)]
    + [("espCbc", "AES-CBC", OCTETS[:n], OCTETS[n:n + 32]) for n in (16, 24, 32)]
    + [("espNull", "NULL", b"", OCTETS[:32])]
)
FOUR = IP(src="192.0.2.1", dst="198.51.100.1") / UDP(sport=5, dport=6) / Raw(bytes(range(9)))
SIX = IPv6(src="2001:db8:1::1", dst="2001:db8:2::2") / UDP(sport=5, dport=6) / Raw(b"data")

print(f"""// Made by test/vectors/esp-tunnel.py: ESP packets of scapy in tunnel mode.
#pragma once
#include "tables/protection.h"

namespace sojourn::testing {{

struct EspVector {{
  Protection algorithm;
  bool extended;
  u64 sequence;
  const char* key;
  const char* inner;
  const char* packet;
}};

inline constexpr u32 kVectorSpi = 0x{SPI:x};
inline constexpr u32 kVectorEpoch = 0x{EPOCH:x};
""")
print("// clang-format off\ninline constexpr EspVector kEspVectors[] = {")
for form in FORMS:
    for esn in (False, True):
        for low, inner in ((1, SIX), (0x01020304, FOUR)):
            lines = vector(*form, low, esn, inner)
            lines[-1] = lines[-1][:-1] + "},"
            print("\n".join(lines))
print("};\n// clang-format on\n\n}  // namespace sojourn::testing")
