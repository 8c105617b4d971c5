"""OpenAI's API (`/v1`) over the same jobs: requests, responses, errors, models. `ingress.jobs` admits and waits."""
