"""Jobs as the ingress sees them: admitted, refused, waited for, replied. Knows the bus; knows no HTTP request."""
