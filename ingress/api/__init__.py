"""The HTTP API: routes, events, health, the OpenAPI document. Knows requests and answers; the queue is `ingress.jobs`'s."""
