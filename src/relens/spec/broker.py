"""An MQTT broker, as cameras and desks reach it."""

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from relens.spec.strict import Strict


class TlsSettings(Strict):
    """Files in PEM. ca: who may have signed the broker's certificate; None: whom this machine trusts."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _come_together(self) -> "TlsSettings":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key come together")
        return self


class BrokerSettings(Strict):
    """Where a broker is.

    user, password_file: for brokers that ask for them. tls: `false` speaks without TLS, which is refused for a user.
    """

    host: str = Field(min_length=1)
    port: int = Field(default=8883, ge=1, le=65535)
    user: str | None = None
    password_file: Path | None = None
    tls: TlsSettings | None = TlsSettings()

    @field_validator("tls", mode="before")
    @classmethod
    def _may_be_off(cls, tls: Any) -> Any:
        return None if tls is False else tls

    @model_validator(mode="after")
    def _keeps_its_password(self) -> "BrokerSettings":
        if self.user is not None and self.tls is None:
            raise ValueError("a password would go over the network in the clear: set tls, or leave user away")
        return self
