"""Rates over the last minute of work."""

from inference_worker.jobs.throughput import WINDOW_S, Throughput


def test_without_work_no_rate_is_known() -> None:
    throughput = Throughput()
    throughput.tick(0.0, 0)
    assert (throughput.jobs_per_s, throughput.tokens_per_s) == (0.0, 0.0)


def test_rates_are_sums_over_the_seconds_with_work() -> None:
    throughput = Throughput()
    for _ in range(3):
        throughput.job_done()
    throughput.tick(1.0, 40)
    throughput.tick(1.0, 20)
    assert (throughput.jobs_per_s, throughput.tokens_per_s) == (1.5, 30.0)


def test_quiet_seconds_do_not_count() -> None:
    throughput = Throughput()
    throughput.job_done()
    throughput.tick(1.0, 10)
    for _ in range(30):
        throughput.tick(0.0, 0)
    assert (throughput.jobs_per_s, throughput.tokens_per_s) == (1.0, 10.0)


def test_a_second_counts_for_a_minute_of_work() -> None:
    throughput = Throughput()
    throughput.job_done()
    throughput.tick(1.0, 1000)
    for _ in range(WINDOW_S):
        throughput.tick(1.0, 1)
    assert (throughput.jobs_per_s, throughput.tokens_per_s) == (0.0, 1.0)


def test_a_job_is_counted_in_one_second_only() -> None:
    throughput = Throughput()
    throughput.job_done()
    throughput.tick(1.0, 0)
    throughput.tick(1.0, 0)
    assert throughput.jobs_per_s == 0.5
