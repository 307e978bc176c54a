"""The manifests for Kubernetes: as its published schemas want them, parts that name each other rightly, commands that
exist. No cluster is at hand here: that they run on one is not shown."""

import copy
from pathlib import Path

import pytest

from app.cli import cli

yaml = pytest.importorskip("yaml")
MANIFEST = Path(__file__).resolve().parent.parent / "deploy" / "kubernetes.yaml"


@pytest.fixture(scope="module")
def parts():
    return {f"{one['kind']} {one['metadata']['name']}": one for one in yaml.safe_load_all(MANIFEST.read_text())}


def pods(parts):
    return {name: one["spec"]["template"]["spec"] for name, one in parts.items() if one["kind"] != "Service"}


@pytest.mark.parametrize("version", ["1.28", None])
def test_each_is_as_the_published_schema_of_old_and_new_kubernetes_wants_it(parts, version):
    schemas = pytest.importorskip("kubernetes_validate")
    for part in parts.values():
        schemas.validate(part, version or schemas.latest_version(), strict=True)
        wrong = copy.deepcopy(part)
        wrong["spec"]["misspelt"] = 1
        with pytest.raises(schemas.ValidationError):
            schemas.validate(wrong, version or schemas.latest_version(), strict=True)


def test_the_service_leads_to_the_scheduler(parts):
    service, scheduler = parts["Service pulmoscope-scheduler"], parts["Deployment pulmoscope-scheduler"]
    assert service["spec"]["selector"] == scheduler["spec"]["template"]["metadata"]["labels"]
    address = f"tls://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    for name in ("Deployment pulmoscope-worker", "Job pulmoscope-run"):
        [container] = pods(parts)[name]["containers"]
        assert address in container["command"] + container["args"]


def test_deployments_choose_their_own_pods_and_jobs_none(parts):
    for one in parts.values():
        if one["kind"] == "Deployment":
            assert one["spec"]["selector"]["matchLabels"] == one["spec"]["template"]["metadata"]["labels"]
    assert "selector" not in parts["Job pulmoscope-run"]["spec"]


def test_every_mount_has_its_volume_and_slides_are_only_read(parts):
    for name, pod in pods(parts).items():
        [container] = pod["containers"]
        mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
        assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}, name
        assert all(mounts[read].get("readOnly") for read in {"tls", "slides"} & mounts.keys())


def test_nothing_runs_as_root_or_may_become_it(parts):
    for pod in pods(parts).values():
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            own = container["securityContext"]
            assert not own["allowPrivilegeEscalation"] and own["capabilities"]["drop"] == ["ALL"]


def test_the_job_speaks_words_that_run_knows(parts):
    [container] = pods(parts)["Job pulmoscope-run"]["containers"]
    words = container["command"] + container["args"]
    known = {option for parameter in cli.get_command(None, "run").params for option in parameter.opts}
    assert words[:2] == ["pulmoscope", "run"] and {word for word in words if word.startswith("--")} <= known


def test_a_workers_memory_holds_its_slide(parts):
    """2 GB for the libraries, and `--memory`'s 4 GB."""
    [container] = pods(parts)["Deployment pulmoscope-worker"]["containers"]
    assert container["args"][container["args"].index("--memory-limit") + 1] == "6GB"
    assert container["resources"]["limits"]["memory"] == "7Gi"
