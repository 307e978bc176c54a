"""The jobs of the page: how far each is, to cancel, to run again, to open."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.viewer.gate.visitors import Visitor
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


def show_jobs(site: Site, who: Visitor) -> None:
    """Draws the jobs, and draws them again by itself while one is not over."""
    jobs = site.queue.jobs_of(who)
    if not jobs:
        return
    st.html(parts.section("Jobs"))
    moving = any(not job.state.is_over for job in jobs)
    st.fragment(lambda: _show(site, who, moving=moving), run_every="1s" if moving else None)()


def _show(site: Site, who: Visitor, *, moving: bool) -> None:
    jobs = site.queue.jobs_of(who)
    if moving and all(job.state.is_over for job in jobs):
        st.rerun()
    for job in jobs[:_SHOWN]:
        _show_job(site, who, job)


def _show_job(site: Site, who: Visitor, job: Job) -> None:
    with st.container(key=f"job-{job.job_id}", border=True):
        told, first, second = st.columns([6, 1.2, 1.2], vertical_alignment="center")
        with told:
            state, look = _WORDS[job.state]
            st.html(
                f'<div class="ps-job"><span class="ps-chip ps-{look}">{state}</span> '
                f"<b>{parts.safe(_title(job, who))}</b> <span>{parts.safe(_progress(job))}</span></div>"
            )
            if job.state is JobState.RUNNING:
                st.progress((job.done + job.fraction) / len(job.slides), text="Slides done")
        _show_ways(site, who, job, first, second)


def _show_ways(site: Site, who: Visitor, job: Job, first: DeltaGenerator, second: DeltaGenerator) -> None:
    try:
        if not job.state.is_over:
            if first.button("Cancel", key=f"cancel-{job.job_id}", width="stretch"):
                site.queue.cancel(job.job_id, who)
                st.rerun()
            return
        if job.upload and site.entry(job.upload, who):
            if first.button("Open slide", key=f"open-{job.job_id}", width="stretch"):
                parts.go(slide=job.upload)
        elif not job.upload and first.button("Run again", key=f"again-{job.job_id}", width="stretch"):
            site.queue.run_again(job.job_id, who)
            st.rerun()
        if second.button("Clear", key=f"clear-{job.job_id}", width="stretch"):
            site.queue.forget(job.job_id, who)
            st.rerun()
    except PulmoscopeError as error:
        parts.show_error(str(error))


def _title(job: Job, who: Visitor) -> str:
    of = f", of {job.by or 'somebody'}" if job.owner != who.owner else ""
    if job.upload:
        return f"Uploaded slide{of}"
    return f"1 slide{of}" if len(job.slides) == 1 else f"{len(job.slides)} slides{of}"


def _progress(job: Job) -> str:
    told = f"by {job.model}" if job.state is JobState.QUEUED else f"{job.done} of {len(job.slides)} done"
    if job.failed:
        told += f", {job.failed} failed"
    if job.current:
        told += f"; at {job.current}"
    return f"{told}. {job.message}" if job.message else f"{told}."
