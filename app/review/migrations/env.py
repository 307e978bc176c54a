"""What Alembic runs to apply the steps: on the connection it is handed, in that connection's own transaction."""

from __future__ import annotations

from alembic import context


def run() -> None:
    """Applies what is asked for. Only Alembic can call this: its context exists while it runs."""
    context.configure(connection=context.config.attributes["connection"])
    context.run_migrations()


if getattr(context, "_proxy", None) is not None:
    run()
