"""Amazon Web Services: clients on the SDK's own chain of credentials, and what it refuses in words one can act on.

Credentials are never read, logged or kept here: boto3 finds them as the `aws` command does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from relens.deliver.aws_policy import actions_for
from relens.errors import DeliveryTrouble

CONFIG = Config(retries={"mode": "standard", "max_attempts": 4}, user_agent_extra="relens", connect_timeout=20)
WHO_AM_I = "aws sts get-caller-identity shows whether AWS is reached, and whom it takes you for"
NO_REGION = "export AWS_REGION=eu-west-1, or wherever your cameras are"
STRANGER = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
FORBIDDEN = {"403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled"}
DAMAGED = {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}


def client(service: str, region: str | None = None) -> Any:
    """A boto3 client, for `s3`, `greengrassv2` or `sts`.

    Raises:
        DeliveryTrouble: RL-DELIVER-007 when there is no region, or the profile does not exist.
    """
    with explained(service):
        # A session of its own: the module's keeps the credentials that it has found first.
        return boto3.Session().client(service, region_name=region, config=CONFIG)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """What goes wrong inside, as one of our errors; `what` was to be done.

    Raises:
        DeliveryTrouble: RL-DELIVER-007 with the operation, AWS's own code and the IAM action that it takes.
    """
    try:
        yield
    except ClientError as trouble:
        operation, error = trouble.operation_name, trouble.response.get("Error", {})
        code, said = str(error.get("Code", "?")), " ".join(str(error.get("Message", "")).split())
        takes = ", ".join(actions_for(operation, besides=code in FORBIDDEN)) or "no permission"
        raise DeliveryTrouble(
            "RL-DELIVER-007",
            f"{what}: AWS refuses {operation}: {code}: {said[:300]} (it takes {takes})",
            hint=_hint(code),
            details={"operation": operation, "aws_code": code},
        ) from None
    except BotoCoreError as trouble:
        hint = NO_REGION if isinstance(trouble, NoRegionError) else WHO_AM_I
        raise DeliveryTrouble("RL-DELIVER-007", f"{what}: {trouble}", hint=hint) from None


def _hint(code: str) -> str:
    if code in STRANGER:
        return WHO_AM_I
    if code in FORBIDDEN:
        return "relens init --aws FOLDER writes the policy that is needed; aws sts get-caller-identity shows who asks"
    if code in DAMAGED:
        return "it was damaged on its way, and was not taken: give the command again"
    if code == "NoSuchBucket":
        return "aws s3 ls shows your buckets; relens init --aws FOLDER writes a template that makes one"
    return "give the command again: it goes on where it was"
