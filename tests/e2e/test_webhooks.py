"""Webhooks through a real worker and beat, from the submission to the receiver."""

import httpx
from standardwebhooks import Webhook as Verifier

from tests.processes import Stack, poll
from tests.requirements import requirement
from tests.support.receiver import Receiver
from tests.support.wire_server import WireServer


@requirement("http.webhooks")
def test_the_end_of_a_task_is_told_also_when_the_receiver_was_away(stack: Stack) -> None:
    with WireServer() as model, Receiver() as receiver:
        stack.environment |= {
            "OPENAI_BASE_URL": model.url,
            "OPENAI_API_KEY": "test",
            "LOOM_EGRESS_ALLOW": "127.0.0.1",
        }
        stack.start_web()
        stack.start_worker()
        stack.start_beat()
        receiver.statuses = [503, 204]
        with httpx.Client(
            base_url=f"{stack.url}/api/v1/",
            headers={"Authorization": f"Bearer {stack.api_key}"},
            timeout=30,
        ) as client:
            hook = client.post("webhooks", json={"url": receiver.url}).json()
            task = client.post("tasks", json={"goal": "Say it. [[answer=Phobos]]"}).json()
            poll(lambda: len(receiver.got) == 2)
            deliveries = client.get(f"webhooks/{hook['id']}/deliveries").json()["results"]

    messages = [Verifier(hook["secret"]).verify(body, headers) for headers, body in receiver.got]
    assert messages[0] == messages[1]
    assert messages[0]["type"] == "task.finished"
    told = messages[0]["data"]["task"]
    assert (told["id"], told["status"], told["answer"]) == (task["id"], "succeeded", "Phobos")
    assert [row["attempts"] for row in deliveries] == [2]
