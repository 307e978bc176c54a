"""The jobs of the page: how far each is, to cancel, to run again, to open."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.viewer.catalog import find_entry
from app.viewer.jobs.job import Job, JobState
from app.viewer.pages import parts
from app.viewer.site import Site
from wsi.errors import PulmoscopeError

_SHOWN = 20
_WORDS = {
    JobState.QUEUED: ("Queued", "queued"),
    JobState.RUNNING: ("Running", "running"),
    JobState.DONE: ("Done", "done"),
    JobState.FAILED: ("Failed", "failed"),
    JobState.CANCELLED: ("Cancelled", "queued"),
}


def show_jobs(site: Site, owner: str) -> None:
    """Draws the jobs, and draws them again by itself while one is not over."""
    jobs = [job for job in site.queue.jobs() if job.owner == owner]
    if not jobs:
        return
    st.html(parts.section("Jobs"))
    moving = any(not job.state.is_over for job in jobs)
    st.fragment(lambda: _show(site, owner, moving=moving), run_every="1s" if moving else None)()


def _show(site: Site, owner: str, *, moving: bool) -> None:
    jobs = [job for job in site.queue.jobs() if job.owner == owner]
    if moving and all(job.state.is_over for job in jobs):
        st.rerun()
    for job in jobs[:_SHOWN]:
        _show_job(site, job)


def _show_job(site: Site, job: Job) -> None:
    with st.container(key=f"job-{job.job_id}", border=True):
        told, first, second = st.columns([6, 1.2, 1.2], vertical_alignment="center")
        with told:
            title, look = _WORDS[job.state]
            st.html(
                f'<div class="ps-job"><span class="ps-chip ps-{look}">{title}</span> <b>{parts.safe(_title(job))}</b> '
                f"<span>{parts.safe(_progress(job))}</span></div>"
            )
            if job.state is JobState.RUNNING:
                st.progress((job.done + job.fraction) / len(job.slides), text="Slides done")
        _show_ways(site, job, first, second)


def _show_ways(site: Site, job: Job, first: DeltaGenerator, second: DeltaGenerator) -> None:
    try:
        if not job.state.is_over:
            if first.button("Cancel", key=f"cancel-{job.job_id}", width="stretch"):
                site.queue.cancel(job.job_id)
                st.rerun()
            return
        if job.upload and find_entry(site.results, job.upload):
            if first.button("Open slide", key=f"open-{job.job_id}", width="stretch"):
                parts.go(slide=job.upload)
        elif not job.upload and first.button("Run again", key=f"again-{job.job_id}", width="stretch"):
            site.queue.run_again(job.job_id)
            st.rerun()
        if second.button("Clear", key=f"clear-{job.job_id}", width="stretch"):
            site.queue.forget(job.job_id)
            st.rerun()
    except PulmoscopeError as error:
        parts.show_error(str(error))


def _title(job: Job) -> str:
    if job.upload:
        return "Uploaded slide"
    return "1 slide" if len(job.slides) == 1 else f"{len(job.slides)} slides"


def _progress(job: Job) -> str:
    told = f"by {job.model}" if job.state is JobState.QUEUED else f"{job.done} of {len(job.slides)} done"
    if job.failed:
        told += f", {job.failed} failed"
    if job.current:
        told += f"; at {job.current}"
    return f"{told}. {job.message}" if job.message else f"{told}."
