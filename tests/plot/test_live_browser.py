"""The interactive page where it is read: in Chromium without a network.  Skipped by name where there is no browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.studies import development, reading
from tests.plot.test_live import Made, made

__all__ = ["made"]
pytestmark = pytest.mark.slow
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("bokeh")
    playwright = pytest.importorskip("playwright.sync_api")
    where = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    with playwright.sync_playwright() as p:
        try:
            chromium = p.chromium.launch(executable_path=where, args=["--no-sandbox"])
        except playwright.Error as e:
            pytest.skip(f"no browser: {str(e).splitlines()[0]}")
        yield chromium
        chromium.close()


class Reader:
    """A page that is open, without a network, and all that it complained of or asked for."""

    def __init__(self, browser: Any, path: Path) -> None:
        context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
        self.page, self.asked, self.wrong = context.new_page(), [], []
        self.page.on("request", lambda r: self.asked.append(r.url))
        self.page.on("pageerror", lambda e: self.wrong.append(str(e)))
        self.page.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        self.page.goto(path.as_uri(), timeout=120_000)
        self.page.wait_for_selector("body[data-ready]", timeout=120_000)
        assert self.asked == [path.as_uri()] and self.page.evaluate("Bokeh.documents.length") == 1

    def __call__(self, script: str, *given: Any) -> Any:
        return self.page.evaluate(script, *given)

    def slide(self, step: int) -> None:
        self("(k) => {Bokeh.documents[0].get_model_by_name('slider').value = k}", step)

    def text(self, name: str) -> str:
        return str(self.page.inner_text(f"#{name}"))

    def point(self, source: str, x: float, y: float, click: bool = False) -> None:
        """Move the mouse to a place of the data of the figure that draws a source."""
        at = self(
            """([name, x, y]) => {
              const of = (v) => v.model.renderers?.some?.((r) => r.data_source?.name === name);
              const view = [...Bokeh.index.roots].flatMap((v) => [v]).find(of);
              view.el.scrollIntoView({block: 'center'});
              const frame = view.frame, box = view.el.getBoundingClientRect();
              return [box.left + frame.x_scale.compute(x), box.top + frame.y_scale.compute(y)];
            }""",
            [source, x, y],
        )
        self.page.wait_for_timeout(50)
        self.page.mouse.move(at[0] - 3, at[1])
        self.page.mouse.move(*at)
        if click:
            self.page.mouse.click(*at)
        self.page.wait_for_timeout(150)

    def close(self) -> None:
        assert self.wrong == [] and len(self.asked) == 1
        self.page.context.close()


def rows(reader: Reader) -> list[int]:
    """Identities of the lines of the chosen neuron."""
    return reader("neurodev.runs[0].models.spines.data.row.map((i) => neurodev.runs[0].ident[i])")


@pytest.mark.parametrize("name", ["three", "random", "training", "table"])
def test_slider_taps_and_hovers(browser: Any, made: Made, name: str) -> None:
    reader = Reader(browser, made.page(name))
    history, _, run = made.parts(name)
    group = reader("neurodev.runs[0].meta.groups[0].name")
    mine = history.select(projection=group) if run is not None else history
    steps = reader("neurodev.runs[0].meta.steps")
    scale = run.days / reader("neurodev.runs[0].meta.end") if run is not None and not run.is_training else 1.0
    for k in {0, len(steps) // 2, len(steps) - 1}:
        reader.slide(k)
        living = int(mine.number(steps[k] * scale)[0])
        assert reader("neurodev.runs[0].shownLiving") == reader("neurodev.runs[0].living") == living
        assert reader.text("living-0").startswith(f"{living:,} live")
        values = np.array(reader("Array.from(neurodev.runs[0].models.cells.data.value)"))
        assert values.sum() == living
    # tap another neuron: its lives, and no other's
    target = reader("neurodev.runs[0].models.cells.data.cell.findIndex((c, k) => c !== neurodev.runs[0].cell && "
                    "neurodev.rows(neurodev.runs[0], c, 0).length)")  # fmt: skip
    x, y = reader("(k) => [neurodev.runs[0].models.cells.data.x[k], neurodev.runs[0].models.cells.data.y[k]]", target)
    reader.point("cells-0", x, y, click=True)
    cell = reader("neurodev.runs[0].cell")
    assert cell == reader("(k) => neurodev.runs[0].models.cells.data.cell[k]", target)
    if run is not None:
        number = reader("neurodev.runs[0].cells.number[neurodev.runs[0].cell]")
        assert sorted(rows(reader)) == sorted(mine.ident[mine.column("post") == number].tolist())
    # hover a line: the words are Python's
    for k in (0, len(rows(reader)) - 1):
        at = reader(
            "(k) => {const d = neurodev.runs[0].models.spines.data; return [(d.x0[k] + d.x1[k]) / 2, d.y[k]]}", k
        )
        reader.point("spines-0", *at)
        told = reader("document.getElementById('story-0').textContent")
        if run is None:
            found = [i for i in history.ident if history.story(i) == told]
            assert len(found) == 1
        else:
            assert told == run.spines[int(rows(reader)[k])].story()
    assert reader("window.hit === undefined && document.querySelectorAll('[onerror]').length === 0")
    if name == "three":
        reader("Bokeh.documents[0].get_model_by_name('group-0').value = '1: far'")
        assert "contact of c" in reader.text("story-0")
        reader("Bokeh.documents[0].get_model_by_name('scope').value = 'chosen'")
        assert reader("Math.max(...neurodev.runs[0].models.number.data.n)") < 60
    reader.close()


def test_runs_side_by_side_share_a_slider(browser: Any, made: Made) -> None:
    reader = Reader(browser, made.page("three", "random"))
    reader.slide(12)
    for k, name in enumerate(("three", "random")):
        time = reader("neurodev.runs[0].meta.steps[12]") * made.runs["three"].days / reader("neurodev.runs[0].meta.end")
        history = made.parts(name)[0]
        group = reader("(k) => neurodev.runs[k].meta.groups[0].name", k)
        step = reader("(k) => neurodev.runs[k].step", k)
        unit = made.runs[name].days / reader("(k) => neurodev.runs[k].meta.end", k)
        at = reader("([k, s]) => neurodev.runs[k].meta.steps[s]", [k, step]) * unit
        assert at <= time * (1 + 1e-6)
        assert reader("(k) => neurodev.runs[k].living", k) == int(history.select(projection=group).number(at)[0])
    reader.close()


def test_the_page_of_the_demo_is_light(browser: Any, tmp_path: Path) -> None:
    source = Path(nd.__file__).parent / "studies/map.toml"
    run = development.run(reading.load(source), tmp_path / "demo.sqlite")
    path = run.report(tmp_path / "demo.html")
    assert path.stat().st_size <= 5e6
    again = tmp_path / "again.html"
    code = f"import neurodev as nd; nd.Run({str(run.path)!r}).report({str(again)!r})"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONHASHSEED": "7", "MPLBACKEND": "Agg"}
    )
    assert again.read_bytes() == path.read_bytes()
    reader = Reader(browser, path)
    history = run.history()
    for k in (0, 6, 30):
        reader.slide(k)
        assert reader("neurodev.runs[0].living") == int(history.number(float(k))[0])
    at = reader("(k) => {const d = neurodev.runs[0].models.spines.data; return [(d.x0[k] + d.x1[k]) / 2, d.y[k]]}", 20)
    reader.point("spines-0", *at)
    story = reader("document.getElementById('story-0').textContent")
    assert story == run.spines[int(rows(reader)[20])].story()
    reader.close()
