"""Reasons that people give for what they do: others will read them."""

from typing import Final

from cluster.core.errors import RequestInvalid

REASON_MAX: Final = 2_000


def reason_read(reason: object) -> str:
    """Return a reason without the blanks around it.

    Raises:
        RequestInvalid: There is none, or it is too long or cannot be stored.
    """
    said = reason.strip() if isinstance(reason, str) else ""
    if not said or len(said) > REASON_MAX or "\x00" in said:
        raise RequestInvalid(
            f"Say why, in 1 to {REASON_MAX:,} characters: others will read it.", field="reason"
        )
    return said
