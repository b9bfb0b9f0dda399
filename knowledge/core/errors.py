"""What can go wrong between a document and a citation.

KnowledgeError
├── DocumentRejected      a document that cannot be ingested as it is
│   ├── DocumentEmpty       there is no text in it
│   ├── DocumentTooLarge    more bytes, or more text, than one document may have
│   ├── FormatUnsupported   nobody here reads this kind of file
│   └── DocumentUnreadable  malformed, encrypted, or it would not be read within the limits
├── DocumentBusy          somebody else kept changing the same document
├── CollectionBusy        it is being moved to another embedding model
├── ReembeddingMissing    no such move is under way in the workspace
├── CollectionMissing     no such collection in the workspace
├── DocumentMissing       no such document in the workspace
├── CollectionInvalid     a name that cannot name a collection
├── SearchInvalid         a query, filter or option that cannot be understood
├── EmbeddingUnavailable  the embedding endpoint did not give usable vectors
└── RerankUnavailable     the reranker did not give usable scores
"""

from dataclasses import dataclass, field


@dataclass(eq=False)
class KnowledgeError(Exception):
    """Base of every error here.

    `code` is stable, `status` the HTTP status that fits, `retryable` says if waiting helps.
    """

    message: str = ""
    code: str = field(default="knowledge.error", kw_only=True)
    status: int = field(default=400, kw_only=True)
    retryable: bool = field(default=False, kw_only=True)

    def __str__(self) -> str:
        return self.message or self.code


@dataclass(eq=False)
class DocumentRejected(KnowledgeError):
    code: str = field(default="knowledge.document_rejected", kw_only=True)


@dataclass(eq=False)
class DocumentEmpty(DocumentRejected):
    code: str = field(default="knowledge.document_empty", kw_only=True)


@dataclass(eq=False)
class DocumentTooLarge(DocumentRejected):
    code: str = field(default="knowledge.document_too_large", kw_only=True)
    status: int = field(default=413, kw_only=True)


@dataclass(eq=False)
class FormatUnsupported(DocumentRejected):
    code: str = field(default="knowledge.format_unsupported", kw_only=True)
    status: int = field(default=415, kw_only=True)


@dataclass(eq=False)
class DocumentUnreadable(DocumentRejected):
    code: str = field(default="knowledge.document_unreadable", kw_only=True)


@dataclass(eq=False)
class DocumentBusy(KnowledgeError):
    code: str = field(default="knowledge.document_busy", kw_only=True)
    status: int = field(default=409, kw_only=True)
    retryable: bool = field(default=True, kw_only=True)


@dataclass(eq=False)
class CollectionBusy(KnowledgeError):
    code: str = field(default="knowledge.collection_busy", kw_only=True)
    status: int = field(default=409, kw_only=True)


@dataclass(eq=False)
class ReembeddingMissing(KnowledgeError):
    code: str = field(default="knowledge.reembedding_missing", kw_only=True)
    status: int = field(default=404, kw_only=True)


@dataclass(eq=False)
class CollectionMissing(KnowledgeError):
    code: str = field(default="knowledge.collection_missing", kw_only=True)
    status: int = field(default=404, kw_only=True)


@dataclass(eq=False)
class DocumentMissing(KnowledgeError):
    code: str = field(default="knowledge.document_missing", kw_only=True)
    status: int = field(default=404, kw_only=True)


@dataclass(eq=False)
class CollectionInvalid(KnowledgeError):
    code: str = field(default="knowledge.collection_invalid", kw_only=True)


@dataclass(eq=False)
class SearchInvalid(KnowledgeError):
    code: str = field(default="knowledge.search_invalid", kw_only=True)


@dataclass(eq=False)
class EmbeddingUnavailable(KnowledgeError):
    code: str = field(default="knowledge.embedding_unavailable", kw_only=True)
    status: int = field(default=503, kw_only=True)
    retryable: bool = field(default=True, kw_only=True)


@dataclass(eq=False)
class RerankUnavailable(KnowledgeError):
    code: str = field(default="knowledge.rerank_unavailable", kw_only=True)
    status: int = field(default=503, kw_only=True)
    retryable: bool = field(default=True, kw_only=True)
