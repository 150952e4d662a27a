"""Certificate and key for HTTPS: whether they can be used, and whether clients will take them."""

from __future__ import annotations

import ssl
from typing import NoReturn

from orchestrator.config import ServeConfig
from orchestrator.errors import UsageError

# each side speaks twice, in TLS 1.3 and in TLS 1.2
ROUNDS = 4


def certificate_note(config: ServeConfig) -> str | None:
    """A sentence about a certificate that clients will refuse, although it can be used; None if there is none.

    Raises:
        UsageError: certificate and key cannot be used.
    """
    if config.tls_cert is None and config.tls_key is None:
        return None
    if config.tls_cert is None or config.tls_key is None:
        raise UsageError("--tls-cert and --tls-key belong together; give both")

    def refuse() -> NoReturn:
        raise UsageError(
            f"--tls-key {config.tls_key}: the key is locked with a password, which nobody could give to the endpoint; "
            "write an open one that only you can read: openssl pkey -in KEY -out NEW"
        )

    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        server.load_cert_chain(config.tls_cert, config.tls_key, password=refuse)
        problem = _problem(server, config.tls_cert)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--tls-cert {config.tls_cert}: certificate and key cannot be used ({error})") from None
    return f"--tls-cert {config.tls_cert}: clients will refuse it, {problem}; get a new one" if problem else None


def _problem(server: ssl.SSLContext, certificate: str) -> str | None:
    """What a client that trusts whoever has signed the certificate says of it, such as that it has expired."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)]
    for _ in range(ROUNDS):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    return None
