"""Heavy tests of deploy/: booted units, built images, real nginx and Prometheus. They need root, and run one by one."""
