"""All pages of knowledge; importing them registers them."""

from knowledge.admin import documents

__all__ = ["documents"]
