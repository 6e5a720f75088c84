"""The keys that a repository is signed with: ed25519, each in an encrypted file of its own, outside of the repository.

KEYS/
  root.pem      says which keys count; needed to replace one. Keep it off the network.
  targets.pem   says which bundles there are; needed to publish.
  online.pem    says what is newest, again and again (snapshot and timestamp).
"""

from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from relens.errors import DeliveryTrouble
from relens.files import sync_folder, write_whole

NAMES = ("root", "targets", "online")
LEAST_CHARACTERS = 8


class KeyRing:
    """The keys in a folder, opened one by one when they are needed.

    Args:
        folder: with `NAME.pem` files.
        passphrase: what they were encrypted with.
    """

    def __init__(self, folder: Path, passphrase: str) -> None:
        self.folder, self._passphrase = folder, passphrase

    def signer(self, name: str) -> CryptoSigner:
        """A key, ready to sign.

        Raises:
            DeliveryTrouble: RL-DELIVER-001 when it is not there, or the passphrase is not its own.
        """
        file = self.folder / f"{name}.pem"
        try:
            key = load_pem_private_key(file.read_bytes(), self._passphrase.encode())
        except OSError as trouble:
            raise _unusable(f"{file}: {trouble.strerror}", "name the folder that `relens keys` made: --keys") from None
        except (ValueError, TypeError):
            raise _unusable(f"{file} does not open with this passphrase", "try again") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _unusable(f"{file} is no ed25519 key", "relens keys NEW_FOLDER makes some")
        return CryptoSigner(key)

    def next(self, name: str) -> CryptoSigner:
        """What is to replace a key: `NAME.next.pem`, made where there is none yet; raises as `signer`."""
        make_keys(self.folder, self._passphrase, [f"{name}.next"])
        return self.signer(f"{name}.next")

    def adopt(self, name: str) -> None:
        """The next key is the key from now on; the old one is gone."""
        (self.folder / f"{name}.next.pem").replace(self.folder / f"{name}.pem")
        sync_folder(self.folder)


def make_keys(folder: Path, passphrase: str, names: Sequence[str] = NAMES) -> KeyRing:
    """Those that are not there yet; none is replaced.

    Args:
        folder: made when it does not exist, for its owner alone.
        passphrase: at least 8 characters.
        names: of the keys.

    Raises:
        DeliveryTrouble: RL-DELIVER-001 when the passphrase is too short.
    """
    if len(passphrase) < LEAST_CHARACTERS:
        raise _unusable(f"a passphrase has {LEAST_CHARACTERS} characters at least", "choose a longer one")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        file = folder / f"{name}.pem"
        if not file.exists():
            encryption = BestAvailableEncryption(passphrase.encode())
            key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
            write_whole(file, [key], mode=0o600)
    return KeyRing(folder, passphrase)


def _unusable(what: str, hint: str) -> DeliveryTrouble:
    return DeliveryTrouble("RL-DELIVER-001", what, hint=hint)
