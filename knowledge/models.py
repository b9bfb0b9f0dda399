"""Collections, documents and chunks, and what is derived from chunks to find them.

The tables at the end are an index of our own. Triggers keep postings and statistics in step with
`ChunkTerms` (migration 0002), so that no path of writing or deleting can make them disagree. They
hold plain numbers instead of foreign keys: a hundred checks a chunk would cost more than the rows.
"""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from pgvector.django import HalfVectorField, SparseVectorField, VectorField

from knowledge.core.analysis import TERM_SPACE


class Collection(models.Model):
    """A set of documents that are searched together and share their statistics."""

    class Kind(models.TextChoices):
        DOCUMENTS = "documents", "Documents"
        MEMORY = "memory", "Memory"
        SCRATCH = "scratch", "Scratch"

    id = models.AutoField(primary_key=True)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="collections"
    )
    slug = models.SlugField(max_length=100)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.DOCUMENTS)
    language = models.CharField(max_length=20, default="english")
    embedding_model = models.ForeignKey(
        "EmbeddingModel",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="collections",
        help_text="Whose vectors are searched; empty until there are some.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "slug"], name="knowledge_collection_slug_per_workspace"
            ),
            models.CheckConstraint(condition=~Q(slug=""), name="knowledge_collection_slug_given"),
        ]

    def __str__(self) -> str:
        return self.slug


class Document(models.Model):
    """A text and where it came from. `text` is what its chunks' offsets point into."""

    workspace_id: uuid.UUID
    collection_id: int
    source: "DocumentSource"

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        INGESTING = "ingesting", "Ingesting"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey("access.Workspace", on_delete=models.CASCADE, related_name="+")
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="documents")
    external_id = models.CharField(max_length=500)
    title = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    error = models.TextField(blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    source_type = models.CharField(max_length=16, blank=True)
    content_hash = models.CharField(max_length=64, blank=True)
    text = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    tags = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    chunk_count = models.IntegerField(default=0)
    attempt = models.IntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    ingested_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "external_id"],
                name="knowledge_document_external_id_per_collection",
            ),
            models.CheckConstraint(
                condition=~Q(external_id=""), name="knowledge_document_external_id_given"
            ),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "-created_at", "id"], name="knowledge_document_recent"
            ),
            models.Index(
                fields=["status", "updated_at"],
                condition=Q(status__in=["pending", "ingesting"]),
                name="knowledge_document_unfinished",
            ),
            models.Index(
                fields=["collection"],
                condition=Q(status="failed"),
                name="knowledge_document_failed",
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.external_id


class DocumentSource(models.Model):
    """The bytes of an upload, kept until they have been read: any machine's worker may do that."""

    document = models.OneToOneField(
        Document, on_delete=models.CASCADE, primary_key=True, related_name="source"
    )
    content = models.BinaryField()
    file_name = models.CharField(max_length=500)
    submitted_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.file_name


class Chunk(models.Model):
    """A piece of a document: `document.text[start:end] == text`."""

    document_id: uuid.UUID

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    ordinal = models.IntegerField()
    start = models.IntegerField()
    end = models.IntegerField()
    heading = models.CharField(max_length=500, blank=True)
    text = models.TextField()
    content_hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["document", "ordinal"]
        constraints = [
            models.UniqueConstraint(
                fields=["document", "ordinal"],
                name="knowledge_chunk_ordinal_per_document",
                deferrable=models.Deferrable.DEFERRED,  # kept chunks change places with new ones
            ),
            models.CheckConstraint(
                condition=Q(start__gte=0, end__gt=F("start")), name="knowledge_chunk_spans_text"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document_id}#{self.ordinal}"


class ChunkTerms(models.Model):
    """A chunk's terms and counts, and its sparse vector: saturated counts without idf."""

    chunk_id: int

    chunk = models.OneToOneField(
        Chunk, on_delete=models.CASCADE, primary_key=True, related_name="terms"
    )
    collection_id = models.IntegerField()
    length = models.IntegerField()
    terms = ArrayField(models.IntegerField())
    counts = ArrayField(models.SmallIntegerField())
    weights = SparseVectorField(dimensions=TERM_SPACE)

    class Meta:
        verbose_name = verbose_name_plural = "chunk terms"
        indexes = [models.Index(fields=["collection_id"], name="knowledge_terms_collection")]

    def __str__(self) -> str:
        return f"terms of {self.chunk_id}"


class Posting(models.Model):
    """A term in a chunk; one covering index and nothing else."""

    pk = models.CompositePrimaryKey("collection_id", "term", "chunk_id")
    collection_id = models.IntegerField()
    term = models.IntegerField()
    chunk_id = models.BigIntegerField()
    count = models.SmallIntegerField()
    length = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.term} in {self.chunk_id}"


class TermStatistic(models.Model):
    """In how many chunks of a collection a term occurs, but for the deltas not yet folded in."""

    pk = models.CompositePrimaryKey("collection_id", "term")
    collection_id = models.IntegerField()
    term = models.IntegerField()
    chunk_count = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.term}: {self.chunk_count}"


class CollectionStatistics(models.Model):
    """How many chunks a collection has and how long they are, but for the deltas not folded in."""

    collection = models.OneToOneField(
        Collection, on_delete=models.CASCADE, primary_key=True, related_name="statistics"
    )
    chunk_count = models.IntegerField(default=0)
    total_length = models.BigIntegerField(default=0)
    weighted_for = models.FloatField(null=True)  # the average length inside the sparse vectors

    class Meta:
        verbose_name_plural = "collection statistics"

    def __str__(self) -> str:
        return f"{self.chunk_count} chunks"


class StatisticsDelta(models.Model):
    """What one statement added to or took from a collection's statistics."""

    collection_id = models.IntegerField()
    chunk_count = models.IntegerField()
    total_length = models.BigIntegerField()
    terms = ArrayField(models.IntegerField())
    chunk_counts = ArrayField(models.IntegerField())

    class Meta:
        indexes = [models.Index(fields=["collection_id"], name="knowledge_delta_collection")]

    def __str__(self) -> str:
        return f"{self.chunk_count:+d} chunks"


class EmbeddingModel(models.Model):
    """A model that has made vectors here; stored with every vector by its number."""

    id = models.SmallAutoField(primary_key=True)
    name = models.CharField(max_length=200)
    dim = models.IntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "dim"], name="knowledge_embedding_model_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.dim})"


class ChunkVector(models.Model):
    """A chunk's vector by one model. `indexed` rows are in their collection's HNSW index."""

    chunk_id: int

    pk = models.CompositePrimaryKey("collection_id", "model_id", "chunk")
    collection_id = models.IntegerField()
    model_id = models.SmallIntegerField()
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="vectors")
    vector = HalfVectorField()
    indexed = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(
                fields=["collection_id", "model_id"],
                condition=Q(indexed=False),
                name="knowledge_vector_fresh",
            )
        ]

    def __str__(self) -> str:
        return f"vector of {self.chunk_id}"


class CachedEmbedding(models.Model):
    """A text's vector by one model, found by the text's SHA-256."""

    pk = models.CompositePrimaryKey("model_id", "digest")
    model_id = models.SmallIntegerField()
    digest = models.BinaryField(max_length=32)
    vector = VectorField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"embedding {bytes(self.digest).hex()[:12]}"


class Reembedding(models.Model):
    """A collection's move to another embedding model; both are kept up until it is over."""

    collection_id: int
    to_model_id: int

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Making vectors"
        REMOVING = "removing", "Removing the old vectors"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    MOVING = (Status.QUEUED, Status.RUNNING)
    ACTIVE = (*MOVING, Status.REMOVING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="reembeddings"
    )
    collection = models.ForeignKey(
        Collection, on_delete=models.CASCADE, related_name="reembeddings"
    )
    from_model = models.ForeignKey(
        EmbeddingModel, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    to_model = models.ForeignKey(EmbeddingModel, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    total = models.IntegerField(default=0)
    done = models.IntegerField(default=0)
    error = models.TextField(blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["collection"],
                condition=Q(status__in=["queued", "running", "removing"]),
                name="knowledge_reembedding_one_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.collection} to {self.to_model}"
