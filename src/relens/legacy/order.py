"""What a parent tells its child before it begins."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """file: the function's module. handler: its handler, where it was named. folder: the run's. models: the models'.

    line, memory: descriptors of the socket to the parent and of the memory that frames come in.
    """

    file: str
    handler: str | None
    folder: str
    models: str
    network: bool
    line: int
    memory: int
