"""Reading what only operators read leaves an audit entry in the system log, before the answer is given."""

from fastapi import Request

from spice_api.dependencies import PlatformDep, PrincipalDep
from spice_core.domain.events import DOMAIN, Event
from spice_core.domain.naming import SYSTEM_DATABASE, aggregate_id


def audited_read(request: Request, platform: PlatformDep, principal: PrincipalDep) -> None:
    """Append ADMIN_READ; a log that does not take it is an error, and then nothing is read."""
    app_name = request.app.state.info.name
    event = Event(
        event_id=platform.ids.new_id(),
        event_type="ADMIN_READ",
        aggregate_type="Audit",
        aggregate_id=aggregate_id(SYSTEM_DATABASE, app_name),
        occurred_at=platform.clock.now(),
        actor=principal.actor,
        data={
            "app": app_name,
            "method": request.method,
            "resource_type": "Route",
            "resource_id": request.url.path[:200],
            "query": request.url.query[:1000],
        },
        metadata={"kind": DOMAIN, **request.state.trace},
    )
    platform.log.append(SYSTEM_DATABASE, [event], create=True)
