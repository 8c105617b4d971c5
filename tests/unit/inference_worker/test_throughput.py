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


def test_a_pace_that_was_measured_falls_while_jobs_take_longer() -> None:
    throughput = Throughput()
    throughput.job_done()
    throughput.tick(1.0, 1000)
    for _ in range(WINDOW_S):
        throughput.tick(1.0, 1)
    assert (throughput.jobs_per_s, throughput.tokens_per_s) == (round(1 / WINDOW_S, 3), 1.0)


def test_a_job_is_counted_in_one_second_only() -> None:
    throughput = Throughput()
    throughput.job_done()
    throughput.tick(1.0, 0)
    throughput.tick(1.0, 0)
    assert throughput.jobs_per_s == 0.5


def test_the_pace_is_that_of_seconds_in_which_all_slots_were_busy() -> None:
    throughput = Throughput()
    throughput.job_done()
    throughput.tick(1.0, 0, busy_share=0.25)
    for _ in range(8):
        throughput.job_done()
    throughput.tick(1.0, 0, busy_share=1.0)
    assert throughput.jobs_per_s == 8


def test_a_pace_once_measured_is_known_after_a_quiet_night() -> None:
    throughput = Throughput()
    for _ in range(8):
        throughput.job_done()
    throughput.tick(1.0, 0)
    for _ in range(2 * WINDOW_S):
        throughput.tick(0.0, 0, busy_share=0.0)
    assert throughput.jobs_per_s == 8


def test_from_single_jobs_the_pace_of_full_slots_is_guessed_between_none_and_proportion() -> None:
    throughput = Throughput()
    for _ in range(4):
        throughput.job_done()
        throughput.tick(1.0, 0, busy_share=0.25)
    assert throughput.jobs_per_s == 2
