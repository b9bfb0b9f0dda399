# One image for web, worker and beat; docker-compose.yml says which is which.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 LOOM_HOME=/data
WORKDIR /app

# The packages of the lock that running needs; pip reads versions from it, not what to install.
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY loomsite loomsite
COPY agents agents
COPY cluster cluster
COPY knowledge knowledge
COPY mcp_server mcp_server
RUN sed -nE 's/^([^ ]+==[^ ;\\]+)( ; [^\\]*)?.*$/\1\2/p' requirements.lock > /tmp/constraints.txt \
    && pip install --constraint /tmp/constraints.txt . \
    && rm -rf /tmp/constraints.txt /app/*

RUN useradd --system --home-dir /data loom && install -d -o loom -m 0700 /data
USER loom
VOLUME /data
EXPOSE 8000
CMD ["python", "-m", "uvicorn", "loomsite.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--timeout-keep-alive", "75"]
