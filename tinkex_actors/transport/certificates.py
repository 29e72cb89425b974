"""The TLS context of one client: whom it trusts, and how it shows who it is."""

import ssl
from collections.abc import Callable
from pathlib import Path

import httpx

from tinkex_actors.settings import Settings
from tinkex_actors.transport.lean.tls import HTTP_1


def context_maker(settings: Settings) -> Callable[[], ssl.SSLContext]:
    """Say how the context is made: at once where the settings name files, so that a wrong one is found at the door.

    Raises:
        ValueError: A file is not there, or is not what it should be.
    """
    if not (settings.ca_file or settings.client_certificate or settings.client_key):
        return _usual_context
    context = make_context(settings)
    return lambda: context


def make_context(settings: Settings) -> ssl.SSLContext:
    """Make the context that *settings* ask for.

    Raises:
        ValueError: A file is not there, or is not what it should be.
    """
    context = _trusting(settings.ca_file) if settings.ca_file else _usual_context()
    context.set_alpn_protocols([HTTP_1])
    if settings.client_certificate:
        _show(context, settings)
    elif settings.client_key:
        raise ValueError("client_key goes with client_certificate; name the certificate too")
    return context


def _usual_context() -> ssl.SSLContext:
    """Trust certifi's authorities, whatever the environment says by now: what it said is in the settings."""
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols([HTTP_1])
    return context


def _trusting(path: str) -> ssl.SSLContext:
    is_folder = Path(path).is_dir()
    try:
        return ssl.create_default_context(cafile=None if is_folder else path, capath=path if is_folder else None)
    except OSError as fault:
        raise ValueError(
            f"ca_file must be a PEM file of certificates to trust, got {path!r} ({_reason(fault)}); "
            "check the setting, SSL_CERT_FILE and SSL_CERT_DIR"
        ) from fault


def _show(context: ssl.SSLContext, settings: Settings) -> None:
    certificate, key = settings.client_certificate, settings.client_key
    try:
        # A password that is not there is empty: OpenSSL would ask for it on the terminal.
        context.load_cert_chain(certificate, key or None, password=lambda: settings.client_key_password)
    except (OSError, ValueError) as fault:
        files = f"{certificate!r} and {key!r}" if key else repr(certificate)
        raise ValueError(
            f"client_certificate must be a PEM file with a certificate and its key (or client_key has the key), "
            f"got {files} ({_reason(fault)}); an encrypted key needs client_key_password"
        ) from fault


def _reason(fault: Exception) -> str:
    """Say what is wrong, in the system's words or OpenSSL's."""
    told = getattr(fault, "reason", None) or getattr(fault, "strerror", None) or str(fault)
    return str(told).replace("_", " ").lower()
