"""kedro-viz shows the pipeline as rooms that open, with metrics and figures in them."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import FinishedRun, kedro

LAYERS = ["raw", "tables", "protocol", "sound", "models", "scores", "reporting"]
VERIFICATION = (
    "ingest", "split", "featurize", "train_embedding", "score_pairs", "threshold", "report",
    "bundle", "inspect",
)  # fmt: skip
IDENTIFICATION = (
    "ingest", "split_closed", "featurize", "train_classifier", "predict", "report_classes",
)  # fmt: skip
SCREAMS = (
    "ingest", "split_sources", "featurize", "yamnet", "wav2vec2", "ensemble", "report_classes",
)  # fmt: skip
RESPIRATORY = (
    "ingest", "split_patients", "featurize", "train_respiratory", "predict", "tasks",
    "report_classes",
)  # fmt: skip
STAGES = {
    "cry_verification": VERIFICATION,
    "speaker_verification": VERIFICATION,
    "speaker_identification": IDENTIFICATION,
    "cry_scream_ensemble": SCREAMS,
    "respiratory_scl": RESPIRATORY,
}
SWITCHES = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --window-size=1600,1200"
)


@pytest.fixture(scope="module")
def build(
    finished_run: FinishedRun,
    finished_identification: FinishedRun,
    finished_screams: FinishedRun,
    finished_respiratory: FinishedRun,
) -> Iterator[Path]:
    """The static site of `kedro viz build --include-previews`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEDRO_ENV", "test")
        done = kedro(finished_run.project, "viz", "build", "--include-previews")
    assert "Success" in done.stdout, done.stdout
    yield finished_run.project / "build"
    shutil.rmtree(finished_run.project / "build")


@pytest.fixture(scope="module")
def address(build: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(build))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Any]:
    from selenium import webdriver

    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        if os.environ.get("BODYSOUNDS_REQUIRE_BROWSER"):
            pytest.fail("chromium and chromedriver are required here and not installed")
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for switch in (*SWITCHES.split(), f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(switch)
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield window
    window.quit()


def graph_of(build: Path, pipeline: str) -> dict[str, Any]:
    """What kedro-viz draws of a pipeline."""
    drawn: dict[str, Any] = json.loads((build / "api" / "pipelines" / pipeline).read_text())
    return drawn


@pytest.mark.parametrize("task", STAGES)
def test_the_layers_stand_in_order(build: Path, task: str) -> None:
    layers = graph_of(build, task)["layers"]
    assert [layer.split("_", 1)[1] for layer in layers] == LAYERS


@pytest.mark.parametrize("task", STAGES)
def test_the_stages_are_the_rooms(build: Path, task: str) -> None:
    rooms = graph_of(build, task)["modular_pipelines"]
    assert set(rooms) == {"__root__", task, *(f"{task}.{stage}" for stage in STAGES[task])}
    assert all(rooms[room]["children"] for room in rooms)


@pytest.mark.parametrize(("own", "other"), [("yamnet", "wav2vec2"), ("wav2vec2", "yamnet")])
def test_the_members_are_branches(build: Path, own: str, other: str) -> None:
    drawn = graph_of(build, "cry_scream_ensemble")
    nodes = {node["id"]: node for node in drawn["nodes"]}
    room = [f"cry_scream_ensemble.{own}"]
    reads: dict[str, list[str]] = {
        name: []
        for name, node in nodes.items()
        if node["type"] == "task" and node["modular_pipelines"] == room
    }
    for edge in drawn["edges"]:
        if edge["target"] in reads:
            reads[edge["target"]].append(nodes[edge["source"]]["name"])
    told = {nodes[task]["name"]: names for task, names in reads.items()}
    folds = {f"fold_{number}" for number in range(3)}
    assert set(told) == {"train", *folds, "predict_windows", "draw_training"}
    assert not [name for names in told.values() for name in names if other in name]
    # the folds and the training wait for nothing that the room makes
    waits = [name for task in ("train", *folds) for name in told[task]]
    assert not [name for name in waits if name.startswith(f"{room[0]}.")]


def test_every_dataset_of_every_pipeline_lies_in_a_layer(build: Path) -> None:
    pipelines = [path.name for path in (build / "api" / "pipelines").iterdir()]
    assert len(pipelines) >= 13
    for pipeline in pipelines:
        drawn = graph_of(build, pipeline)
        datasets = [node for node in drawn["nodes"] if node["type"] == "data"]
        assert datasets
        assert [node["name"] for node in datasets if not node["layer"]] == []
        # layers that turn in a circle are not drawn at all
        assert sorted(layer.split("_", 1)[1] for layer in drawn["layers"]) == sorted(LAYERS)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("task", "figure"),
    [
        ("cry_verification", "det"),
        ("speaker_identification", "confusion"),
        ("cry_scream_ensemble", "reliability"),
        ("respiratory_scl", "breath_right_wrong"),
    ],
)
def test_the_rooms_open_and_show_metrics_and_a_figure(
    address: str, chromium: Any, task: str, figure: str
) -> None:
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    ignored = (NoSuchElementException, StaleElementReferenceException)
    wait = WebDriverWait(chromium, 60, ignored_exceptions=ignored)

    def row(name: str) -> Any:
        """The entry of the list beside the graph."""
        return wait.until(
            lambda window: window.find_element(
                By.CSS_SELECTOR, f"[data-test='node-list-tree-item--row--{name}']"
            )
        )

    def graph() -> set[str]:
        nodes = chromium.find_elements(By.CSS_SELECTOR, ".pipeline-node")
        return {node.get_attribute("data-id") for node in nodes}

    def open_room(room: str) -> None:
        def opened(window: Any) -> bool:
            # as an event of the node itself: a hint may lie over it, where a mouse would click
            window.execute_script(
                """const node = document.querySelector(arguments[0]);
                if (node) for (const kind of ['click', 'click', 'dblclick'])
                  node.dispatchEvent(new MouseEvent(kind, {bubbles: true, view: window}));""",
                f".pipeline-node[data-id='{room}']",
            )
            return room not in graph()

        wait.until(opened)

    chromium.get(f"{address}?pid={task}")
    # the hints of a first visit lie over the graph
    chromium.execute_script("localStorage.setItem('KedroViz', '{\"showFeatureHints\": false}')")
    chromium.refresh()
    wait.until(lambda _: graph())
    open_room(task)
    rooms = {f"{task}.{stage}" for stage in STAGES[task]}
    wait.until(lambda _: rooms <= graph())
    for stage in STAGES[task]:
        open_room(f"{task}.{stage}")
    if "BODYSOUNDS_SCREENSHOT" in os.environ:
        chromium.save_screenshot(f"{os.environ['BODYSOUNDS_SCREENSHOT']}{task}.png")

    for name, selector, shown in (
        (f"{task}.metrics", ".pipeline-metadata", "headline"),
        (f"{task}.figure.{figure}", ".pipeline-metadata img", None),
    ):
        chromium.execute_script("arguments[0].click()", row(name))
        found = wait.until(
            lambda window, where=selector: window.find_elements(By.CSS_SELECTOR, where)
        )
        if shown:
            wait.until(lambda _, panel=found[0], text=shown: text in panel.text)
        else:
            wait.until(lambda _, image=found[0]: int(image.get_property("naturalWidth")) > 100)
