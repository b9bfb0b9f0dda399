"""What operators curate: endpoints, agents and their versions, tools, scenes, skills."""

import uuid

from django.db import models
from django.db.models import F, Q
from pgvector.django import VectorField

from agents.tables.fields import MONEY, words


class Endpoint(models.Model):
    """An OpenAI-compatible address with a key, a model and what they cost."""

    class Source(models.TextChoices):
        OPERATOR = "operator", "Operator"
        ENVIRONMENT = "environment", "Environment (read-only)"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="endpoints"
    )
    slug = models.SlugField(max_length=63)
    name = models.CharField(max_length=200, blank=True)
    source = models.CharField(
        max_length=16, choices=Source.choices, default=Source.OPERATOR, editable=False
    )
    base_url = models.CharField(max_length=500)
    secret = models.TextField(
        blank=True,
        editable=False,
        help_text="Sealed, or a reference env:LOOM_SECRET_…; never shown.",
    )
    model = models.CharField(
        max_length=200, blank=True, help_text="Empty: the only model the endpoint lists."
    )
    profile = models.JSONField(
        default=dict, blank=True, help_text="What the model can do, where the preset is wrong."
    )
    usd_per_million_prompt = models.DecimalField(**MONEY, null=True, blank=True)
    usd_per_million_completion = models.DecimalField(**MONEY, null=True, blank=True)
    fallback = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="fallback_of"
    )
    is_default = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "slug"], name="agents_endpoint_slug_once_per_workspace"
            ),
            models.UniqueConstraint(
                fields=["workspace"],
                condition=Q(is_default=True),
                name="agents_endpoint_one_default_per_workspace",
            ),
            models.CheckConstraint(
                condition=Q(fallback__isnull=True) | ~Q(fallback=F("id")),
                name="agents_endpoint_no_fallback_to_itself",
            ),
            models.CheckConstraint(
                condition=Q(usd_per_million_prompt__isnull=True) | Q(usd_per_million_prompt__gte=0),
                name="agents_endpoint_prompt_price_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(usd_per_million_completion__isnull=True)
                | Q(usd_per_million_completion__gte=0),
                name="agents_endpoint_completion_price_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def has_secret(self) -> bool:
        return bool(self.secret)

    @property
    def read_only(self) -> bool:
        return self.source == self.Source.ENVIRONMENT


class Agent(models.Model):
    """An agent as operators edit it; what runs is always one of its versions."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="agents"
    )
    slug = models.SlugField(max_length=63)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, help_text="What it is good at; used for matching.")
    instructions = models.TextField(blank=True)
    endpoint = models.ForeignKey(
        Endpoint,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="agents",
        help_text="Empty: the workspace's default, else the one from the environment.",
    )
    model = models.CharField(max_length=200, blank=True, help_text="Empty: the endpoint's model.")
    tools = words("Names of the tools it may use.")
    scenes = words("Slugs of the scenes that narrow what its tools may do.")
    skills = words("Names of the skills it may use; empty: all active ones.")
    collections = words("Slugs of the collections it may search; empty: all of the workspace.")
    domains = words("Slugs of the domains it declares to know.")
    max_steps = models.PositiveIntegerField(default=20)
    timeout_s = models.PositiveIntegerField(default=600)
    max_tokens = models.PositiveIntegerField(null=True, blank=True, help_text="Of one whole run.")
    budget_usd = models.DecimalField(**MONEY, null=True, blank=True)
    temperature = models.FloatField(null=True, blank=True)
    answer_language = models.CharField(
        max_length=8, blank=True, help_text="A code such as de: answers must be in it. Empty: any."
    )
    filter_patterns = words(
        "Patterns (RE2): what matches is neither asked of the model nor answered."
    )
    audit = models.BooleanField(
        default=False, help_text="Note each model call in the workspace's audit log."
    )
    published = models.BooleanField(default=False, help_text="Offered as a tool over MCP.")
    input_schema = models.JSONField(
        default=dict,
        blank=True,
        help_text="JSON Schema of what that tool takes; empty: a message.",
    )
    enabled = models.BooleanField(default=True)
    version_number = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "slug"], name="agents_agent_slug_once_per_workspace"
            ),
            models.CheckConstraint(
                condition=Q(max_steps__gte=1), name="agents_agent_at_least_one_step"
            ),
            models.CheckConstraint(
                condition=Q(timeout_s__gte=1), name="agents_agent_timeout_positive"
            ),
            models.CheckConstraint(
                condition=Q(budget_usd__isnull=True) | Q(budget_usd__gte=0),
                name="agents_agent_budget_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class AgentVersion(models.Model):
    """An agent as it was at one time; a trigger of the database refuses changes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey("access.Workspace", on_delete=models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    spec = models.JSONField()
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["agent", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "number"], name="agents_version_number_once_per_agent"
            )
        ]

    def __str__(self) -> str:
        return f"v{self.number}"


class McpConnection(models.Model):
    """An MCP server whose tools agents may use."""

    class Transport(models.TextChoices):
        HTTP = "http", "Streamable HTTP"
        STDIO = "stdio", "stdio"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="mcp_connections"
    )
    slug = models.SlugField(max_length=63)
    name = models.CharField(max_length=200, blank=True)
    transport = models.CharField(max_length=8, choices=Transport.choices, default=Transport.HTTP)
    url = models.CharField(max_length=500, blank=True)
    command = models.CharField(max_length=500, blank=True)
    arguments = words()
    environment = models.JSONField(default=dict, blank=True)
    secret = models.TextField(blank=True, editable=False)
    trusted = models.BooleanField(
        default=False,
        help_text="Believe what it says of its tools: which only read, which may be repeated.",
    )
    enabled = models.BooleanField(default=True)
    last_error = models.TextField(blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]
        verbose_name = "MCP connection"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "slug"], name="agents_mcp_slug_once_per_workspace"
            ),
            models.CheckConstraint(
                condition=(Q(transport="http") & ~Q(url=""))
                | (Q(transport="stdio") & ~Q(command="")),
                name="agents_mcp_has_what_its_transport_needs",
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class Tool(models.Model):
    """A tool agents may be granted; built-in ones are kept in step with the code."""

    class Source(models.TextChoices):
        BUILTIN = "builtin", "Built in"
        MCP = "mcp", "MCP server"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="tools"
    )
    name = models.CharField(max_length=128)
    description = models.TextField(blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    tags = words("Of read, write, network, exec, spend.")
    effect = models.BooleanField(default=False)
    idempotent = models.BooleanField(default=False)
    timeout_s = models.FloatField(default=60.0)
    options = models.JSONField(
        default=dict, blank=True, help_text='For http_fetch: {"hosts": ["example.org"]}.'
    )
    source = models.CharField(
        max_length=8, choices=Source.choices, default=Source.BUILTIN, editable=False
    )
    connection = models.ForeignKey(
        McpConnection, on_delete=models.CASCADE, null=True, blank=True, related_name="tools"
    )
    remote_name = models.CharField(max_length=200, blank=True, editable=False)
    available = models.BooleanField(
        default=True, editable=False, help_text="Whether its MCP server lists it."
    )
    note = models.TextField(blank=True, editable=False)
    pending = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="What its server says of it now, until somebody reviewed that.",
    )
    enabled = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name"], name="agents_tool_name_once_per_workspace"
            ),
            models.CheckConstraint(
                condition=Q(timeout_s__gt=0), name="agents_tool_timeout_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Scene(models.Model):
    """A named set of rules over tags and names of tools; scenes only narrow one another."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="scenes"
    )
    slug = models.SlugField(max_length=63)
    name = models.CharField(max_length=200, blank=True)
    allow_tags = words("Only tools with these tags, and those asked about; empty: any.")
    ask_tags = words("Each call of a tool with one of these tags is approved by a person.")
    deny_tags = words("No tool with one of these tags.")
    allow_tools = words("Only these tools; empty: any.")
    deny_tools = words("None of these tools.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "slug"], name="agents_scene_slug_once_per_workspace"
            )
        ]

    def __str__(self) -> str:
        return self.slug


class Skill(models.Model):
    """Instructions that an agent loads when they fit: a SKILL.md and what came with it."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft, waits for review"
        ACTIVE = "active", "Active"
        RETIRED = "retired", "Retired"

    class Origin(models.TextChoices):
        LIBRARY = "library", "Shipped"
        IMPORTED = "imported", "Imported"
        WRITTEN = "written", "Written here"
        CRYSTALLIZED = "crystallized", "Crystallized from success"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="skills"
    )
    name = models.SlugField(max_length=64)
    description = models.TextField()
    instructions = models.TextField()
    keywords = words("Words in a goal that call for it.")
    patterns = words("Patterns (RE2) in a goal that call for it.")
    files = models.JSONField(
        default=dict, blank=True, help_text="Path → text: scripts, references."
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.DRAFT)
    origin = models.CharField(max_length=16, choices=Origin.choices, default=Origin.WRITTEN)
    evidence = models.JSONField(default=dict, blank=True)
    version_number = models.PositiveIntegerField(default=0, editable=False)
    embedding = VectorField(null=True, blank=True, editable=False)
    embedding_model = models.CharField(max_length=100, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name"], name="agents_skill_name_once_per_workspace"
            )
        ]
        indexes = [models.Index(fields=["workspace", "state"], name="agents_skill_state")]

    def __str__(self) -> str:
        return self.name


class SkillVersion(models.Model):
    """A skill as it was at one time: what it said, not whether it was in service."""

    workspace = models.ForeignKey("access.Workspace", on_delete=models.CASCADE, related_name="+")
    skill = models.ForeignKey(Skill, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    spec = models.JSONField()
    reason = models.CharField(max_length=500, blank=True)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["skill", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["skill", "number"], name="agents_skill_version_once_per_skill"
            )
        ]

    def __str__(self) -> str:
        return f"v{self.number}"
