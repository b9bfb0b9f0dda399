"""Where access answers, below `/api/v1/`."""

from django.urls import path

from loomsite.access import api

urlpatterns = [
    path("keys", api.KeyListView.as_view()),
    path("keys/<uuid:key_id>", api.KeyView.as_view()),
]
