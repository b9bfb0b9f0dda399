"""Where agents answer, below `/api/v1/`."""

from django.urls import path

from agents.api import agents, endpoints, mcp, memories, money, runs, sessions, tools

urlpatterns = [
    path("agents", agents.AgentListView.as_view()),
    path("agents/<str:agent>", agents.AgentView.as_view()),
    path("approvals", runs.ApprovalListView.as_view()),
    path("artifacts", runs.ArtifactListView.as_view()),
    path("artifacts/<uuid:artifact_id>", runs.ArtifactView.as_view()),
    path("budgets", money.BudgetListView.as_view()),
    path("budgets/<uuid:budget_id>", money.BudgetView.as_view()),
    path("endpoints", endpoints.EndpointListView.as_view()),
    path("endpoints/<uuid:endpoint_id>", endpoints.EndpointView.as_view()),
    path("mcp-connections", mcp.McpConnectionListView.as_view()),
    path("mcp-connections/<uuid:connection_id>", mcp.McpConnectionView.as_view()),
    path("mcp-connections/<uuid:connection_id>/review", mcp.McpConnectionReviewView.as_view()),
    path("mcp-connections/<uuid:connection_id>/test", mcp.McpConnectionTestView.as_view()),
    path("memories", memories.MemoryListView.as_view()),
    path("memories/export", memories.MemoryExportView.as_view()),
    path("memories/merge", memories.MemoryMergeView.as_view()),
    path("memories/<uuid:memory_id>", memories.MemoryView.as_view()),
    path("memories/<uuid:memory_id>/review", memories.MemoryReviewView.as_view()),
    path("scenes", tools.SceneListView.as_view()),
    path("scenes/<str:slug>", tools.SceneView.as_view()),
    path("sessions", sessions.SessionListView.as_view()),
    path("sessions/<uuid:session_id>", sessions.SessionView.as_view()),
    path("sessions/<uuid:session_id>/messages", sessions.SessionMessagesView.as_view()),
    path("skills", tools.SkillListView.as_view()),
    path("skills/<str:name>", tools.SkillView.as_view()),
    path("tools", tools.ToolListView.as_view()),
    path("tools/<str:name>", tools.ToolView.as_view()),
    path("tools/<str:name>/review", tools.ToolReviewView.as_view()),
    path("usage", money.UsageView.as_view()),
]
