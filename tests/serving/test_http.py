"""The server: the command line's answers over HTTP, limits, and failures that name the field."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
from starlette.testclient import TestClient

from dsocr_symbolic.cli import capture
from dsocr_symbolic.serving import application as serving
from dsocr_symbolic.serving.answering import Answering
from dsocr_symbolic.serving.application import Limits, application
from dsocr_symbolic.serving.problems import Refused

BASE = "/analytic/deepseek-ocr"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(application(folder, Limits(body_bytes=4096)), raise_server_exceptions=False) as client:
        yield client


def _problem(response: Any, status: int, field: str | None = None) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    content = response.json()
    assert content["status"] == status
    assert content["field"] == field
    assert "Traceback" not in response.text
    detail: str = content["detail"]
    return detail


def test_totals_are_those_of_the_command(client: TestClient) -> None:
    asked = {"workload": "base", "gpu": "h200", "settings": {"batch": 3}, "choices": {"attention": "eager"}}
    response = client.post("/totals", json=asked)
    words = "totals --workload base --gpu h200 --set batch=3 --attention eager --format json"
    said = json.loads(capture(words.split()))
    assert response.json() | {"command": None} == said | {"command": None}


def test_a_sweep_is_that_of_the_command(client: TestClient) -> None:
    asked = {"vary": {"batch": "1,2,4", "gpu": "h200,l4"}, "metrics": ["roofline_s"], "workload": "tiny"}
    response = client.post("/sweep", json=asked)
    words = "sweep --vary batch=1,2,4 --vary gpu=h200,l4 --metric roofline_s --workload tiny --format json"
    assert response.json()["points"] == json.loads(capture(words.split()))["points"]


def test_solve_is_that_of_the_command(client: TestClient) -> None:
    asked = {"symbol": "batch", "constraint": "peak_memory_bytes <= capacity", "gpu": "l4"}
    response = client.post("/solve", json=asked)
    words = ["solve", "batch", "peak_memory_bytes <= capacity", "--gpu", "l4", "--format", "json"]
    assert response.json()["solution"] == json.loads(capture(words))["solution"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"pages_per_day": 2e6, "gpus": ["h200", "l4"], "prices": {"l4": 0.8}, "tpot": 0.02, "output_tokens": 900},
            "--pages-per-day 2e6 --gpus h200,l4 --price l4=0.8 --tpot 0.02 --output-tokens 900",
        ),
        (
            {"mix": {"base": 0.75, "gundam": 0.25}, "gpu": "h200", "concurrency": 40, "simulate": True},
            "--mix base=0.75,gundam=0.25 --gpu h200 --concurrency 40 --simulate",
        ),
        (
            {"workload": "base", "gpus": ["h200"], "choices": {"execution": "served"}, "settings": {"text_tokens": 40}},
            "--workload base --gpus h200 --execution served --set text_tokens=40",
        ),
        (
            {"gpus": ["l4"], "choices": {"execution": "served"}, "host_s": 0.5, "cores": 1, "merge_chunks": True},
            "--gpus l4 --execution served --host-s 0.5 --cores 1 --merge-chunks",
        ),
    ],
)
def test_a_plan_is_that_of_the_command(client: TestClient, asked: dict[str, Any], words: str) -> None:
    response = client.post("/plan", json=asked)
    said = json.loads(capture([*f"plan {words} --format json".split()]))
    assert response.json() | {"command": None} == said | {"command": None}


def test_a_report_is_kept_before_it_is_acknowledged(client: TestClient, folder: Path) -> None:
    request = {"model_id": "deepseek-ai/DeepSeek-OCR", "workload_profile_id": "tiny", "include": []}
    accepted = client.post(f"{BASE}/run", json=request)
    assert accepted.status_code == 202
    report_id = accepted.json()["report_id"]
    assert [path.name for path in folder.iterdir()] == [f"{report_id}.json"]
    assert client.post(f"{BASE}/run", json=request).json()["report_id"] == report_id
    # What a crash left of another one is written anew, and so is what is asked for.
    (folder / f"{report_id}.json").write_text("{")
    assert client.post(f"{BASE}/run", json=request).status_code == 202
    assert client.post(f"{BASE}/run", json={**request, "force_rebuild": True}).status_code == 202
    with TestClient(application(folder, Limits())) as again:
        summary = again.get(f"{BASE}/{report_id}/summary").json()
        whole = again.get(f"{BASE}/{report_id}/model").json()
    assert summary["report_id"] == whole["report_id"] == report_id
    assert summary["profile_id"] == "tiny"


@pytest.mark.parametrize(
    ("path", "asked", "field"),
    [
        ("/totals", {"settings": {"batch": -1}}, "batch"),
        ("/totals", {"settings": {"batch": 1.5}}, "batch"),
        ("/totals", {"settings": {"batch": 10**30}}, "batch"),
        ("/totals", {"settings": {"nothing": 1}}, "nothing"),
        ("/totals", {"settings": {"batch": "8"}}, "batch"),
        ("/totals", {"settings": {"base_size": 1000}}, "base_size"),
        ("/totals", {"choices": {"attention": "none"}}, "attention"),
        ("/totals", {"gpu": "h2000"}, "gpu"),
        ("/totals", {"nothing": 1}, "nothing"),
        ("/solve", {"symbol": "batch"}, "constraint"),
        ("/totals", {"gpu": "../../etc/passwd"}, "gpu"),
        ("/totals", {"model": "a.yaml"}, "model"),
        ("/sweep", {"vary": {"gpu": "../secret.yaml"}, "metrics": ["roofline_s"]}, "vary"),
        ("/sweep", {"vary": {"batch": "1:1000000000"}, "metrics": ["roofline_s"]}, "vary"),
        ("/sweep", {"vary": {"batch": "1"}, "metrics": []}, "metrics"),
        ("/solve", {"symbol": "batch", "constraint": "x" * 3000}, None),
        ("/plan", {"pages_per_day": 0}, "pages_per_day"),
        ("/plan", {"pages_per_day": 10**390}, "pages_per_day"),
        ("/plan", {"utilisation": 1.5, "gpu": "h200"}, "utilisation"),
        ("/plan", {"utilisation": 1e-320, "gpu": "h200", "pages_per_day": 1e300}, None),
        ("/plan", {"concurrency": 10**6}, "concurrency"),
        ("/plan", {"concurrency": 2.5}, "concurrency"),
        ("/plan", {"output_tokens": 1}, "output_tokens"),
        ("/plan", {"output_tokens": 10**30}, None),
        ("/plan", {"output_spread": -1}, "output_spread"),
        ("/plan", {"ttft": 1e-9}, "ttft"),
        ("/plan", {"ttft": "soon"}, "ttft"),
        ("/plan", {"mix": {"gundam": 0.5}}, "mix"),
        ("/plan", {"mix": {"../secret.yaml": 1}}, "mix"),
        ("/plan", {"mix": {"gundam": 1}, "workload": "base"}, "workload"),
        ("/plan", {"gpus": ["../secret"]}, "gpus"),
        ("/plan", {"gpus": ["h200"], "gpu": "l4"}, "gpu"),
        ("/plan", {"gpus": ["h200"], "prices": {"l4": 1}}, "prices"),
        ("/plan", {"prices": {"l4": -1}}, "prices"),
        ("/plan", {"settings": {"batch": 8}}, "batch"),
        ("/plan", {"host_s": 0}, "host_s"),
        ("/plan", {"settings": {"reduction_bandwidth": 5e-324, "text_tokens": 3000}}, None),
        ("/plan", {"cores": 2}, "cores"),
        ("/plan", {"host_s": 1, "cores": 5000}, "cores"),
        ("/plan", {"merge_chunks": 1}, "merge_chunks"),
        ("/plan", {"settings": {"chunk_tokens": 1, "text_tokens": 10**6}}, "chunk_tokens"),
        ("/plan", {"simulate": True, "output_tokens": 10**6}, "simulate"),
        ("/plan", {"simulate": True, "output_spread": 1e10}, "output_spread"),
        ("/plan", {"simulate": True, "settings": {"new_tokens": 5000}}, "simulate"),
        (f"{BASE}/run", {"model_id": "another"}, "model_id"),
    ],
)
def test_a_bad_value_is_refused_with_its_field(
    client: TestClient, path: str, asked: dict[str, Any], field: str | None
) -> None:
    response = client.post(path, json=asked)
    assert response.status_code == 422
    if field is not None:
        _problem(response, 422, field)


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 4000, b"1" * 4000, b"[" + b"1" * 401 + b"]"]
)
def test_a_body_that_is_no_json_is_refused(client: TestClient, body: bytes) -> None:
    response = client.post("/totals", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


def test_what_is_not_asked_for_is_refused(client: TestClient) -> None:
    _problem(client.post("/totals", content=b"x" * 5000, headers={"content-type": "application/json"}), 413)
    _problem(client.post("/totals", content=b"{}", headers={"content-type": "text/plain"}), 415, "content-type")
    _problem(client.get("/totals"), 405)
    _problem(client.get("/nothing"), 404)
    for report_id in ("0" * 16, "..%2f..%2fetc%2fpasswd", "UPPER", "a" * 200):
        response = client.get(f"{BASE}/{report_id}/summary")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


def test_a_failure_of_ours_shows_nothing_of_itself(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "structure", lambda *_: {}["secret"])
    detail = _problem(client.post("/totals", json={}), 500)
    assert "secret" not in detail


def test_too_many_questions_are_told_when_to_return() -> None:
    async def ask() -> list[Any]:
        work = Answering(waiting=2, seconds=5)
        return await asyncio.gather(*(work.of(time.sleep, 0.01) for _ in range(10)), return_exceptions=True)

    answers = asyncio.run(ask())
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) == 7
    assert all((each.status, each.headers) == (429, {"Retry-After": "1"}) for each in refused)


def test_a_question_that_takes_too_long_is_refused_and_frees_its_place() -> None:
    async def ask() -> None:
        work = Answering(waiting=1, seconds=0.05)
        with pytest.raises(Refused) as slow:
            await work.of(time.sleep, 0.3)
        assert slow.value.status == 503
        await asyncio.sleep(0.4)
        assert await work.of(lambda: 7) == 7

    asyncio.run(ask())


def test_the_server_says_that_it_is_there_and_what_it_takes(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/totals", "/sweep", "/solve", "/plan", f"{BASE}/run"} < set(paths)


def test_other_hosts_and_origins_get_nothing(folder: Path) -> None:
    with TestClient(application(folder, Limits(), hosts=("localhost",))) as client:
        assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 400
        assert client.get("/healthz", headers={"host": "localhost"}).status_code == 200
    with TestClient(application(folder, Limits())) as client:
        answer = client.get("/healthz", headers={"origin": "https://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_front_page_is_the_explorer(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_page", lambda: "<!doctype html><title>explorer</title>")
    response = client.get("/")
    assert response.headers["content-type"].startswith("text/html")
    assert "explorer" in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_an_answer_that_is_no_number_is_refused() -> None:
    with pytest.raises(Refused):
        serving._text({"seconds": float("nan")})
