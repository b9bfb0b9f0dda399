"""The promises of the project, by id, and the mark by which a test says which of them it holds.

`tests/architecture/test_requirements.py` checks both ways: a promise that no test carries stands in
`GAPS` with its reason, a gap that a test carries by now is no gap any more, and no mark is unknown.
"""

from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T", bound=Callable[..., object])

PROMISES: Final[dict[str, str]] = {
    # ------------------------------------------------------------ make
    "make.setup": "`make setup` makes a .venv with all that running, tests and benchmarks need",
    "make.demo": "`make demo` runs a real multi-part job from a fresh clone and says how to go on",
    "make.up": "`make up` runs the control plane in the foreground and writes up.json, 0600",
    "make.down": "`make down` stops this checkout's services, and exits 0 when none run",
    "make.fails": "each make target exits non-zero when it fails",
    # ------------------------------------------------------------ commands
    "commands.json": "every command takes --json and prints one object to stdout",
    "commands.exit_codes": "commands exit 0 done, 1 another end, 2 usage, 3 waiting for a person",
    "commands.submit": "`submit GOAL --wait --json` prints the task; without a stack it says so",
    "commands.doctor": "`doctor` reports each part, and what to do about a fault",
    "commands.mcp": "`mcp` serves the tools over stdio",
    "commands.workspace_create": "`workspace_create SLUG` makes a workspace",
    "commands.apikey_create": "`apikey_create` prints the key alone, and makes the user if needed",
    "commands.knowledge_ingest": "`knowledge_ingest` takes a collection and paths",
    "commands.retrieval_run": "`retrieval_run` writes a run file for a data set",
    "commands.memory_run": "`memory_run` writes a run file for a data set",
    # ------------------------------------------------------------ environment
    "environment.services": "DATABASE_URL and REDIS_URL replace the embedded services",
    "environment.malformed": "a malformed URL gives one clear sentence and a non-zero exit",
    "environment.port": "LOOM_PORT set and in use is an error; unset, the first free from 8000",
    "environment.home": "a full or read-only LOOM_HOME gives one clear sentence",
    "environment.model": "LOOM_MODEL unset: the only model listed, else an error that lists them",
    # ------------------------------------------------------------ HTTP
    "http.routes": "admin, API, schema, docs, MCP, models, health and metrics are in place",
    "http.slashes": "paths work with and without a trailing slash",
    "http.task_object": "the task object has the same fields on REST, MCP and the command line",
    "http.submit": "POST tasks: 201 and the task",
    "http.idempotency": "the same key again: 200 and the same id; with another body: 409",
    "http.lists": "lists are `results` and `next`, at most 100, summary-only",
    "http.task_actions": "cancel, retry, reply and feedback",
    "http.events": "events as JSON or SSE; Last-Event-ID resumes",
    "http.tree_and_auction": "a task's tree, and its auction with every term",
    "http.search": "POST search gives hits with document, chunk, offsets and score",
    "http.problems": "errors are problems with type, title, status, detail and code",
    "http.tenancy": "a foreign id behaves exactly like a missing one",
    "http.scopes": "401 without a good key, 403 without the scope",
    "http.keys": "a key is shown once, hashed at rest, scoped, expiring, revocable",
    "http.schedules": "schedules by cron, by interval and once, submitted by beat",
    "http.webhooks": "webhooks: signed, retried with pauses and an end, secrets shown once",
    "http.chat_completions": "an OpenAI-compatible endpoint with a model per agent",
    # ------------------------------------------------------------ MCP
    "mcp.tasks": "submit_task, get_task, list_tasks, cancel_task and reply_task",
    "mcp.agents": "list_agents and ask_agent",
    "mcp.knowledge": "search_knowledge and add_knowledge",
    "mcp.memory": "recall and remember",
    "mcp.feedback_and_schedules": "give_feedback and schedule_task",
    "mcp.resources": "tasks, agents, skills, documents and the cluster's status as resources",
    "mcp.prompts": "the prompts delegate, research, review_task and triage_failures",
    "mcp.http_and_stdio": "the same tools over HTTP and over stdio",
    # ------------------------------------------------------------ Python
    "python.names": "the public names import from where the design says",
    "python.quick_starts": "ten-line programs run without Django",
    # ------------------------------------------------------------ secrets and reach
    "secrets.at_rest": "secrets are sealed under LOOM_SECRETS_KEY",
    "secrets.references": "only names that begin with LOOM_SECRET_ resolve to the environment",
    "reach.egress": "one guard for addresses, checked after DNS and at each redirect",
    "reach.patterns": "patterns that users write are matched in linear time",
    # ------------------------------------------------------------ the life of a task
    "life.idempotency": "the same idempotency key from many at once gives one task",
    "life.claim": "two workers claim a task once",
    "life.fence": "a zombie can write nothing",
    "life.fairness": "by priority, then the workspace with fewest in flight",
    "life.phases_once": "a phase is recorded once per task and cycle",
    "life.events": "events are gapless and in commit order",
    "life.dag": "a split is a DAG of child tasks; outputs flow along its edges",
    "life.dag_failure": "a part that fails is reported; what depends on it fails or is skipped",
    "life.wakeup": "no wake-up of a parent is lost",
    "life.second_cycle": "a rejected answer gets a second cycle that knows what was wrong",
    "life.settle_once": "capability is updated once per task, cycle, node and evaluation",
    "life.ledger": "a family rebuilt from its ledger equals the live one",
    "life.slots": "fifty auctions at once never give a slot to two",
    "life.ask_once": "a question parks the task and is answered once",
    "life.cancel": "cancel reaches children, and gives every slot back",
    "life.deadline": "a deadline ends a task, also one that waits",
    "life.feedback": "feedback is one more observation; nothing is edited",
    "life.nobody": "an empty workspace gets a generalist; nobody capable is a clear failure",
    "life.good_win": "good agents win, a bad one is quarantined, and the reason can be read",
    "life.forge": "a field too weak gets a node, a skill or a reviewed blueprint",
    "life.hold_out": "a small share of runs goes without skills or memories, and says so",
    "life.one_driver": "the in-memory driver runs the same loop",
    # ------------------------------------------------------------ bad days
    "bad_days.worker_killed": "a killed worker's runs go on elsewhere within lease + 2 s",
    "bad_days.effect_once": "no effect happens twice; an unknown one becomes a question",
    "bad_days.broker_flushed": "a flushed broker loses nothing",
    "bad_days.postgres_restarts": "workers reconnect after Postgres restarts and go on",
    "bad_days.postgres_503": "requests get 503 meanwhile, and never leave a half-written task",
    "bad_days.endpoint_down": "a dead endpoint: the task waits with the reason visible",
    "bad_days.run_loops": "a run that loops is stopped by its limits",
    "bad_days.junk": "junk from a model: one repair, then a clear failure or a marked fallback",
    "bad_days.bad_input": "bad input is a 4xx that says what to change; nothing is written",
    "bad_days.key_leaks": "a key is never stored in clear, nor logged",
    "bad_days.prompt_injection": "policy decides about tools, not the model",
    "bad_days.chaos": "two workers, one of them killed again and again: every task succeeds, once",
}

GAPS: Final[dict[str, str]] = {}
"""Promises that no test carries, with the reason."""


def requirement(*ids: str) -> Callable[[T], T]:
    """Mark a test as one that holds promises; the ids are those of `PROMISES`."""
    unknown = [id_ for id_ in ids if id_ not in PROMISES]
    if unknown or not ids:
        raise LookupError(f"No such promise: {unknown}")

    def marked(test: T) -> T:
        return test

    return marked
