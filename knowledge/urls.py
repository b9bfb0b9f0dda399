"""Where knowledge answers, below `/api/v1/`."""

from django.urls import path

from knowledge import api

urlpatterns = [
    path("collections", api.CollectionListView.as_view()),
    path("collections/<slug:slug>", api.CollectionView.as_view()),
    path("documents", api.DocumentListView.as_view()),
    path("documents/<uuid:document_id>", api.DocumentView.as_view()),
    path("documents/<uuid:document_id>/retry", api.DocumentRetryView.as_view()),
    path("reembeddings", api.ReembeddingListView.as_view()),
    path("reembeddings/<uuid:reembedding_id>", api.ReembeddingView.as_view()),
    path("search", api.SearchView.as_view()),
]
