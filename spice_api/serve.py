"""Running one app as a process."""

import uvicorn
from fastapi import FastAPI

from spice_core.bootstrap import log_lines
from spice_core.settings import Settings


def serve(app: FastAPI, *, settings: Settings, port: int) -> None:
    """Serve `app` on `port` until the process is told to stop; requests under way are finished first.

    Each request is a line of the log with DEBUG, and with SPICE_LOG_FORMAT=json, where it carries the ids of the trace.
    """
    log_lines(settings, process=app.state.info.name)
    uvicorn.run(
        app,
        host=settings.listen_host,
        port=port,
        log_config=None,
        log_level=settings.log_level.lower(),
        access_log=settings.debug or settings.log_format == "json",
        server_header=False,
        timeout_graceful_shutdown=int(settings.request_timeout_seconds),
    )
