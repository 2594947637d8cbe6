"""Makes test/vectors/esp.json: ESP packets of scapy's SecurityAssociation (python3-scapy 2.5).

scapy leaves the high half of an extended sequence number out of ESP's HMAC; the integrity check
value of these packets is computed here, as RFC 4303 §2.2.1 says.
"""
import hashlib, hmac, json, struct
from scapy.all import Raw, raw
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation

SPI = 0x1234
HIGH = 5
OCTETS = bytes(range(1, 100))


def packet(name, crypt, key, auth_key, iv, sequence, esn):
    extended = {"esn_en": True, "esn": HIGH} if esn and auth_key is None else {}
    association = SecurityAssociation(
        ESP, spi=SPI, crypt_algo=crypt, crypt_key=key or None,
        auth_algo=None if auth_key is None else "SHA2-256-128", auth_key=auth_key, **extended)
    payload = bytes.fromhex("3b010500") + bytes(range(12 + sequence % 3))
    plain = IPv6(src="2001:db8::1", dst="2001:db8::2", nh=135) / Raw(payload)
    sealed = raw(association.encrypt(plain, seq_num=sequence, iv=iv or None, **extended))[40:]
    if esn and auth_key is not None:
        covered = sealed[:-16]
        digest = hmac.new(auth_key, covered + struct.pack("!L", HIGH), hashlib.sha256).digest()
        sealed = covered + digest[:16]
    return {"algorithm": name, "key": (key + (auth_key or b"")).hex(), "esn": esn,
            "sequence": sequence + (HIGH << 32 if esn else 0), "iv": iv.hex(),
            "payload": payload.hex(), "packet": sealed.hex()}


GCM, CBC, NULL = "aes-gcm-16", "aes-cbc-hmac-sha256-128", "null-hmac-sha256-128"
FORMS = (
    [(GCM, "AES-GCM", OCTETS[:n + 4], None, OCTETS[50:58]) for n in (16, 24, 32)]
    + [(CBC, "AES-CBC", OCTETS[:n], OCTETS[n:n + 32], OCTETS[60:76]) for n in (16, 24, 32)]
    + [(NULL, "NULL", b"", OCTETS[:32], b"")]
)
VECTORS = [packet(*form, sequence, esn)
           for form in FORMS for esn in (False, True) for sequence in (1, 0x01020304)]
print(json.dumps(VECTORS, indent=2))
