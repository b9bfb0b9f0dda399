"""What the pages of knowledge share: which errors are refusals of a service."""

from knowledge.core.errors import KnowledgeError
from loomsite.access.core.errors import AccessError

REFUSALS = (AccessError, KnowledgeError)
