"""The common vendors and local servers: where they are and what their endpoints cannot do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """An endpoint as one fills it in.

    Attributes:
        key_name: What the vendor calls its key's variable; empty where none is needed.
    """

    vendor: str
    title: str
    base_url: str
    key_name: str = ""
    local: bool = False


PRESETS: tuple[Preset, ...] = (
    Preset(
        vendor="openai",
        title="OpenAI",
        base_url="https://api.openai.com/v1",
        key_name="OPENAI_API_KEY",
    ),
    Preset(
        vendor="deepseek",
        title="DeepSeek",
        base_url="https://api.deepseek.com/v1",
        key_name="DEEPSEEK_API_KEY",
    ),
    Preset(
        vendor="qwen",
        title="Qwen (DashScope)",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key_name="DASHSCOPE_API_KEY",
    ),
    Preset(
        vendor="gemini",
        title="Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_name="GEMINI_API_KEY",
    ),
    Preset(
        vendor="anthropic",
        title="Anthropic (compatible endpoint)",
        base_url="https://api.anthropic.com/v1",
        key_name="ANTHROPIC_API_KEY",
    ),
    Preset(
        vendor="moonshot",
        title="Moonshot",
        base_url="https://api.moonshot.ai/v1",
        key_name="MOONSHOT_API_KEY",
    ),
    Preset(
        vendor="zhipu",
        title="Zhipu",
        base_url="https://open.bigmodel.cn/api/paas/v4",
        key_name="ZHIPU_API_KEY",
    ),
    Preset(vendor="ollama", title="Ollama", base_url="http://127.0.0.1:11434/v1", local=True),
    Preset(vendor="vllm", title="vLLM", base_url="http://127.0.0.1:8000/v1", local=True),
    Preset(vendor="llamacpp", title="llama.cpp", base_url="http://127.0.0.1:8080/v1", local=True),
)
BY_VENDOR = {preset.vendor: preset for preset in PRESETS}
