"""`botocore.session`, where botocore is not installed: credentials for Kinesis, which is not here either.

Functions that send video ask for nothing else of it.
"""

from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Credentials:
    """Of nobody."""

    access_key: str = "none"
    secret_key: str = "none"
    token: str = "none"


class Session:
    """Has credentials, and no clients."""

    def get_credentials(self) -> Credentials:
        """Those of nobody."""
        return Credentials()


session = ModuleType("botocore.session")
vars(session).update(Session=Session, get_session=Session)
MODULES = {"session": session}
