"""`python -m mcp_server`: MCP over stdio, without the command line around it."""

import os

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loomsite.settings")
    django.setup()

    from mcp_server.stdio import serve

    serve()
