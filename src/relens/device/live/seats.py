"""How many may watch at once."""


class Seats:
    """A counter with a limit; used on the server's event loop only, read from anywhere."""

    def __init__(self, limit: int = 8) -> None:
        self.limit = limit
        self.taken = 0

    def take(self) -> bool:
        """Take a seat; False when none is left."""
        if self.taken >= self.limit:
            return False
        self.taken += 1
        return True

    def leave(self) -> None:
        """Give a seat back."""
        self.taken -= 1
