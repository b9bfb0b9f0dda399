"""What can go wrong with the services of a machine that has none.

EmbeddedError
├── HomeUnusable     LOOM_HOME cannot hold our data (read-only, full, not ours)
├── ServiceMissing   no program for this platform; the message names the variable to set instead
├── ServiceFailed    the program is there and did not start, or did not stop
├── PortTaken        the port that was asked for belongs to somebody else
└── AlreadyRunning   another supervisor serves this LOOM_HOME
"""


class EmbeddedError(Exception):
    """Base of every error of the embedded services; its text is one sentence for the operator."""

    code = "embedded.error"
    retryable = False


class HomeUnusable(EmbeddedError):
    code = "embedded.home_unusable"


class ServiceMissing(EmbeddedError):
    code = "embedded.service_missing"


class ServiceFailed(EmbeddedError):
    code = "embedded.service_failed"
    retryable = True


class PortTaken(EmbeddedError):
    code = "embedded.port_taken"


class AlreadyRunning(EmbeddedError):
    code = "embedded.already_running"
