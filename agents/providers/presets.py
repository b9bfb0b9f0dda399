"""The common vendors and local servers: where they are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """An endpoint as one fills it in."""

    vendor: str
    title: str
    base_url: str


PRESETS: tuple[Preset, ...] = (
    Preset(vendor="openai", title="OpenAI", base_url="https://api.openai.com/v1"),
    Preset(vendor="deepseek", title="DeepSeek", base_url="https://api.deepseek.com/v1"),
    Preset(
        vendor="qwen",
        title="Qwen (DashScope)",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    ),
    Preset(
        vendor="gemini",
        title="Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    ),
    Preset(
        vendor="anthropic",
        title="Anthropic (compatible endpoint)",
        base_url="https://api.anthropic.com/v1",
    ),
    Preset(vendor="moonshot", title="Moonshot", base_url="https://api.moonshot.ai/v1"),
    Preset(vendor="zhipu", title="Zhipu", base_url="https://open.bigmodel.cn/api/paas/v4"),
    Preset(vendor="ollama", title="Ollama", base_url="http://127.0.0.1:11434/v1"),
    Preset(vendor="vllm", title="vLLM", base_url="http://127.0.0.1:8000/v1"),
    Preset(vendor="llamacpp", title="llama.cpp", base_url="http://127.0.0.1:8080/v1"),
)
