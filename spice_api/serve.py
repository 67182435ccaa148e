"""Running one app as a process."""

import uvicorn
from fastapi import FastAPI

from spice_core.settings import Settings


def serve(app: FastAPI, *, settings: Settings, port: int) -> None:
    """Serve `app` on `port` until the process is told to stop; requests under way are finished first."""
    uvicorn.run(
        app,
        host=settings.listen_host,
        port=port,
        log_level=settings.log_level.lower(),
        access_log=settings.debug,
        server_header=False,
        timeout_graceful_shutdown=int(settings.request_timeout_seconds),
    )
