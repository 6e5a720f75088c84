"""A client of an MQTT broker: version 3.1.1, with TLS and a password where the settings say so."""

import ssl

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from relens.device.credentials import credential
from relens.device.outlets.outlet import read_secret
from relens.errors import DeviceTrouble
from relens.spec.broker import BrokerSettings, TlsSettings

REACH_S = 5.0
"""For TCP and for TLS, each."""


def broker_client(settings: BrokerSettings, name: str, *, returns: bool = False) -> Client:
    """One that is not connected yet.

    Args:
        settings: of the broker.
        name: the client's id there; a second one of that name ends the first.
        returns: whether it connects again by itself after it was connected once.

    Raises:
        DeviceTrouble: RL-OUTLET-001 when the password cannot be read.
        OSError, ValueError: certificate, key or authority cannot be used.
    """
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        clean_session=True,
        protocol=MQTTv311,
        reconnect_on_failure=returns,
    )
    client.connect_timeout = REACH_S
    if settings.tls is not None:
        client.tls_set_context(_trust(settings.tls))
    if settings.user is not None:
        password = None if settings.password_file is None else read_secret(settings.password_file)
        client.username_pw_set(settings.user, password)
    return client


def broker_away(settings: BrokerSettings, why: str) -> DeviceTrouble:
    """RL-OUTLET-001 for a broker, with the command that shows how far one gets."""
    address, tls = f"{settings.host}:{settings.port}", settings.tls
    ca = f" -CAfile {tls.ca}" if tls and tls.ca else ""
    probe = f"openssl s_client -connect {address}{ca}" if tls else f"curl -v telnet://{address}"
    return DeviceTrouble("RL-OUTLET-001", f"the broker {address}: {why}", hint=f"{probe} shows how far it gets")


def _trust(tls: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca)
    if tls.certificate is not None and tls.key is not None:
        # A key with a passphrase would be asked for at the terminal.
        context.load_cert_chain(credential(tls.certificate), credential(tls.key), password=lambda: "")
    return context
