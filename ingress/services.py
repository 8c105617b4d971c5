"""The objects that handlers share: made once at the start, reached from each request."""

from typing import Any

import msgspec
from litestar import Request, Response

from contract.bus import Bus
from contract.messages import Query
from contract.runtime.tracing import NO_TRACER, Tracer
from contract.token_file import TokensFile
from ingress.auth.caller import Caller
from ingress.auth.keyring import Keyring
from ingress.auth.token_watch import TokensOnDisk
from ingress.documents.library import Library
from ingress.documents.spool import Spool
from ingress.documents.vectors import VectorMaker
from ingress.jobs.admission import Admission
from ingress.jobs.positions import Positions
from ingress.jobs.quota import Quota
from ingress.jobs.replies import Replies
from ingress.jobs.result_store import ResultStore
from ingress.jobs.workers import Fleet
from ingress.middleware.audit_log import AuditLog, target_of
from ingress.settings import IngressSettings

HttpRequest = Request[Caller, Any, Any]
HttpResponse = Response[Any]


class Services(msgspec.Struct, frozen=True):
    """All shared objects of one ingress; made by `Services.of`."""

    settings: IngressSettings
    bus: Bus
    fleet: Fleet
    replies: Replies
    quota: Quota
    results: ResultStore
    admission: Admission
    positions: Positions
    library: Library
    spool: Spool
    vectors: VectorMaker
    keyring: Keyring
    tokens: TokensOnDisk | None
    audit_log: AuditLog | None
    tracer: Tracer

    @classmethod
    def of(cls, settings: IngressSettings, bus: Bus, tracer: Tracer = NO_TRACER) -> "Services":
        """Raises SettingsError when the file of tokens can't be read."""
        fleet, quota = Fleet(), Quota(bus)
        spool = Spool(settings.spool_folder, settings.document_max_bytes)
        tokens = TokensOnDisk(settings.tokens) if settings.tokens else None
        return cls(
            settings=settings,
            bus=bus,
            fleet=fleet,
            replies=Replies(bus),
            quota=quota,
            results=ResultStore(fleet),
            admission=Admission(bus, fleet, quota, settings.max_body_bytes, settings.redactor(), tracer),
            positions=Positions(bus, fleet),
            library=Library(bus, spool),
            spool=spool,
            vectors=VectorMaker(settings.embedding_model, settings.redactor()),
            keyring=Keyring(settings, tokens.read_first() if tokens else TokensFile()),
            tokens=tokens,
            audit_log=AuditLog(target_of(settings.audit_log)) if settings.audit_log else None,
            tracer=tracer,
        )

    def deadline_s(self, query: Query) -> float:
        longest_s = self.settings.job_deadline_s
        return min(query.deadline_s or longest_s, longest_s)


def services_of(request: HttpRequest) -> Services:
    """The services of the request's application. Not injected: an injected argument costs as much as a publish."""
    services: Services = request.app.state.services
    return services
