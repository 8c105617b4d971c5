"""Heavy tests of what stands in deploy/: booted units, built images, real nginx and Prometheus. Root; one at a time."""
