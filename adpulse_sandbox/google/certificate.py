"""The self-signed certificate of the gRPC endpoint, shared by all sandboxes of a process, because gRPC reads its roots once."""

import ipaddress
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adpulse_sandbox.authority import certificate_builder, pem, private_pem

_HOST_NAMES = ("localhost", "sandbox")
"""``sandbox`` is the host name of a sandbox in a container."""


@lru_cache(maxsize=1)
def key_and_certificate() -> tuple[bytes, bytes]:
    """The private key and the certificate as PEM; clients trust the certificate as a root."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "adpulse sandbox")])
    hosts = [x509.DNSName(host) for host in _HOST_NAMES]
    names = x509.SubjectAlternativeName([*hosts, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        certificate_builder(name, name, key.public_key())
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return private_pem(key), pem(certificate)
