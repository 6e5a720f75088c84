"""`greengrass_common.env_vars`: what a Greengrass core says about itself, for copies of its SDK in functions."""

import os
from types import ModuleType

env_vars = ModuleType("greengrass_common.env_vars")
for _name in (
    "AUTH_TOKEN",
    "MY_FUNCTION_ARN",
    "SHADOW_FUNCTION_ARN",
    "ROUTER_FUNCTION_ARN",
    "SECRETS_MANAGER_FUNCTION_ARN",
):
    setattr(env_vars, _name, os.environ.get(_name))
MODULES = {"env_vars": env_vars}
