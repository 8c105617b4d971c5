"""The HTTP API: routes, events, health, the OpenAPI document. The queue is the business of `ingress.jobs`."""
