"""What several tables share: the shape of money, and list columns that forms may leave empty."""

from typing import Any, Final

from django.db import models

# US dollars, fine enough for the price of one token.
MONEY: Final[dict[str, Any]] = {"max_digits": 18, "decimal_places": 10}


def words(help_text: str = "") -> models.JSONField:
    """Return a column that holds a list of short strings."""
    return models.JSONField(default=list, blank=True, help_text=help_text)
