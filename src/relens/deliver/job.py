"""How fast a deployment goes through a fleet, and when it stops: a job of AWS IoT, in its own words."""

from dataclasses import dataclass
from typing import Any

from relens.errors import DeliveryTrouble


@dataclass(frozen=True)
class IotJob:
    """cameras_per_minute: told of it, 1 to 1000.

    abort_share: of the cameras that were told, 0..1; when more of them than this fail, no others are told.
    abort_least: so many cameras have to be through before that is looked at.
    patience_min: a camera that says nothing for so many minutes after it has begun has failed, 1 to 10080.
    """

    cameras_per_minute: int = 50
    abort_share: float = 0.1
    abort_least: int = 5
    patience_min: int = 60

    def to_job(self) -> dict[str, Any]:
        """`iotJobConfiguration`.

        Raises:
            DeliveryTrouble: RL-DELIVER-008 for a number that AWS does not take.
        """
        bounds = {
            "cameras_per_minute": (1, 1000),
            "abort_share": (0.0001, 1),
            "abort_least": (1, 1_000_000),
            "patience_min": (1, 10_080),
        }
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise DeliveryTrouble(
                    "RL-DELIVER-008",
                    f"{name} is {getattr(self, name)}: AWS takes no such rollout",
                    hint=f"{least} to {most}",
                )
        criterion = {
            "failureType": "ALL",
            "action": "CANCEL",
            "thresholdPercentage": round(self.abort_share * 100, 2),
            "minNumberOfExecutedThings": self.abort_least,
        }
        return {
            "jobExecutionsRolloutConfig": {"maximumPerMinute": self.cameras_per_minute},
            "abortConfig": {"criteriaList": [criterion]},
            "timeoutConfig": {"inProgressTimeoutInMinutes": self.patience_min},
        }
