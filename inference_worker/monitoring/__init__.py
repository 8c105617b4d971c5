"""What others see of a running worker: metrics, its status server, the watchdog."""
