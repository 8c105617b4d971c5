"""Names on the bus: what may become part of a subject or a key, and what each job is called where."""

import string
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import given

from contract import topology
from contract.errors import BadNameError
from contract.topology import JobName, is_canonical_uuid, is_name

JOB_ID = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3"
ALLOWED = string.ascii_lowercase + string.digits + "_-"

names = st.text(alphabet=ALLOWED, min_size=1, max_size=64)
bad_names = st.one_of(
    st.text(alphabet=ALLOWED, min_size=65, max_size=80),
    st.text().filter(lambda text: not 1 <= len(text) <= 64 or set(text) - set(ALLOWED)),
)


def test_a_job_is_named_after_its_publisher_its_client_and_its_id_everywhere() -> None:
    job = JobName("http", "local", JOB_ID)
    assert job.key == f"http.local.{JOB_ID}"
    assert job.subject == f"docqa.jobs.{job.key}"
    assert job.results_subject == f"docqa.results.{job.key}"
    assert job.tokens_subject == f"docqa.tokens.{job.key}"
    assert job.cancel_subject == f"docqa.cancel.{job.key}"


@given(names, names, st.uuids())
def test_a_name_comes_back_from_its_subject(publisher: str, client: str, job_id: UUID) -> None:
    job = JobName(publisher, client, str(job_id))
    assert JobName.from_subject(job.subject) == job


@given(bad_names)
def test_a_bad_name_is_refused_wherever_it_stands(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(BadNameError, match="publisher"):
        JobName(name, "local", JOB_ID)
    with pytest.raises(BadNameError, match="client"):
        JobName("http", name, JOB_ID)


@given(st.text())
def test_a_subject_of_any_text_is_a_name_or_refused(text: str) -> None:
    for subject in (text, f"docqa.jobs.{text}", f"docqa.jobs.http.{text}.{JOB_ID}", f"docqa.jobs.http.local.{text}"):
        try:
            job = JobName.from_subject(subject)
        except BadNameError:
            continue
        assert job.subject == subject


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "docqa.jobs",
        "docqa.jobs.",
        f"docqa.jobs.http.{JOB_ID}",
        f"docqa.jobs.http.local.more.{JOB_ID}",
        f"docqa.results.http.local.{JOB_ID}",
        f"http.local.{JOB_ID}",
        f"docqa.jobs.*.local.{JOB_ID}",
        f"docqa.jobs.http.>.{JOB_ID}",
        f"docqa.jobs.http..{JOB_ID}",
        f"docqa.jobs.h\u00e9.local.{JOB_ID}",
        f"docqa.jobs.http.local\n.{JOB_ID}",
    ],
)
def test_a_subject_that_names_no_job_is_refused(subject: str) -> None:
    with pytest.raises(BadNameError):
        JobName.from_subject(subject)


@given(st.uuids())
def test_only_the_canonical_form_of_an_id_is_taken(job_id: UUID) -> None:
    assert is_canonical_uuid(str(job_id))
    for other in (str(job_id) + "\n", f"{{{job_id}}}", f"urn:uuid:{job_id}", job_id.hex, f" {job_id}"):
        assert not is_canonical_uuid(other)
    upper = str(job_id).upper()
    assert is_canonical_uuid(upper) == (upper == str(job_id))


@given(st.text())
def test_texts_are_hardly_ever_ids(text: str) -> None:
    assert not is_canonical_uuid(text)


@pytest.mark.parametrize("job_id", ["\u0661" * 32, JOB_ID.replace("0", "\uff10"), JOB_ID.replace("-", "_"), ""])
def test_digits_of_other_scripts_make_no_id(job_id: str) -> None:
    assert not is_canonical_uuid(job_id)
    with pytest.raises(BadNameError, match="canonical"):
        JobName("http", "local", job_id)


def test_the_other_subjects_are_spelled_as_published() -> None:
    assert topology.dead_subject("bad-name", JOB_ID) == f"docqa.dead.bad-name.{JOB_ID}"
    assert topology.worker_subject(JOB_ID) == f"docqa.workers.{JOB_ID}"
    assert topology.results_subjects("http") == "docqa.results.http.>"
    assert topology.tokens_subjects("http") == "docqa.tokens.http.>"
    assert topology.jobs_subjects("http") == "docqa.jobs.http.>"
    assert topology.cancel_subjects("http") == "docqa.cancel.http.>"


def test_a_cancel_and_a_live_result_name_their_job() -> None:
    job = JobName("http", "alice", JOB_ID)
    assert topology.cancelled_job(job.cancel_subject) == job.subject
    assert topology.key_of_result(job.results_subject) == job.key
