"""Where agents answer, below `/api/v1/`."""

from django.urls import path

from agents import api
from agents.selectors import catalogue

urlpatterns = [
    path("agents", api.AgentListView.as_view()),
    path("agents/<str:agent>", api.AgentView.as_view()),
    path("endpoints", api.CatalogueView.as_view(select=catalogue.endpoint_list)),
    path("mcp-connections", api.CatalogueView.as_view(select=catalogue.mcp_connection_list)),
    path("scenes", api.CatalogueView.as_view(select=catalogue.scene_list)),
    path("skills", api.CatalogueView.as_view(select=catalogue.skill_list)),
    path("tools", api.CatalogueView.as_view(select=catalogue.tool_list)),
]
