"""What every process needs around its work: logs, traces, metrics, systemd, files, locks, limits of its machine."""
