"""Which models' vectors a collection has: of the model that serves it, and of one on its way."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from knowledge.core.errors import EmbeddingUnavailable
from knowledge.core.ports import Embedder
from knowledge.models import Collection, Reembedding
from knowledge.services.embeddings import embedding_model_ensure
from knowledge.store.rows import rows

EngineOf = Callable[[str], Embedder | None]


def nobody(_name: str) -> None:
    """Know no other model than the one given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model and the collections whose vectors by it are searched; None when nobody runs it."""

    model_id: int
    name: str
    engine: Embedder | None
    collection_ids: Sequence[int]


def engines_wanted(
    *, collection_id: int, embedder: Embedder, engine_of: EngineOf
) -> dict[int, Embedder | None]:
    """Return the embedders whose vectors each new chunk of a collection needs, by model number.

    None stands for a model that nobody runs.

    A collection without vectors takes those of `embedder`. One whose model nobody runs any more,
    or that makes vectors of another dimension now, begins to be moved to `embedder`.

    Raises:
        EmbeddingUnavailable: A model does not answer.
    """
    own = embedding_model_ensure(embedder=embedder)
    collections = Collection.objects.filter(pk=collection_id)
    collections.filter(embedding_model=None).update(embedding_model=own)
    engines = {
        model_id: _engine(name, dim, embedder=embedder, engine_of=engine_of)
        for model_id, name, dim in _models(collection_id)
    }
    if not any(engines.values()):
        Reembedding.objects.get_or_create(
            collection_id=collection_id,
            status__in=Reembedding.ACTIVE,
            defaults={
                "workspace_id": collections.values_list("workspace_id", flat=True).get(),
                "from_model_id": collections.values_list("embedding_model", flat=True).get(),
                "to_model_id": own,
            },
        )
        engines[own] = embedder
    return engines


def serving_held(*, collection_id: int, model_ids: Iterable[int]) -> bool:
    """Hold a collection's models for this transaction; False when these are not all it needs."""
    rows("SELECT 1 FROM knowledge_collection WHERE id = %(c)s FOR SHARE", {"c": collection_id})
    return {model_id for model_id, _, _ in _models(collection_id)} <= set(model_ids)


def served(
    *, collection_ids: Sequence[int], embedder: Embedder, engine_of: EngineOf
) -> list[Served]:
    """Return by which models these collections are searched, each with its collections.

    Where nobody runs the model that serves a collection, its words alone are searched: the vectors
    of the model it is moved to are not complete, and would rank a few chunks above all others.
    """
    groups: dict[int, Served] = {}
    for collection_id, models in _models_of(collection_ids).items():
        for model_id, name, dim in models[:1]:
            known = groups.get(model_id)
            engine = (
                known.engine
                if known
                else _engine(name, dim, embedder=embedder, engine_of=engine_of)
            )
            before = known.collection_ids if known else ()
            groups[model_id] = Served(
                model_id=model_id,
                name=name,
                engine=engine,
                collection_ids=[*before, collection_id],
            )
    return [groups[model_id] for model_id in sorted(groups)]


def _engine(name: str, dim: int, *, embedder: Embedder, engine_of: EngineOf) -> Embedder | None:
    engine = embedder if embedder.model_id == name else engine_of(name)
    try:
        return engine if engine is not None and engine.dim == dim else None
    except EmbeddingUnavailable as error:
        if error.retryable:
            raise
        return None


_Models = list[tuple[int, str, int]]


def _models(collection_id: int) -> _Models:
    return _models_of([collection_id]).get(collection_id, [])


def _models_of(collection_ids: Sequence[int]) -> Mapping[int, _Models]:
    """Return each collection's models: the one that serves it first."""
    found: dict[int, _Models] = {number: [] for number in collection_ids}
    fields = ("embedding_model_id", "embedding_model__name", "embedding_model__dim")
    serving = Collection.objects.filter(pk__in=list(collection_ids), embedding_model__isnull=False)
    for number, *model in serving.values_list("pk", *fields):
        found[number].append((model[0], model[1], model[2]))
    targets = ("to_model_id", "to_model__name", "to_model__dim")
    moves = Reembedding.objects.filter(
        collection__in=list(collection_ids), status__in=Reembedding.MOVING
    )
    for number, *model in moves.values_list("collection_id", *targets):
        if all(known[0] != model[0] for known in found[number]):
            found[number].append((model[0], model[1], model[2]))
    return found
