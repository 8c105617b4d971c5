"""Finds by measuring how a model runs fastest on this machine: the variants tried, the workload, the quality gate."""
