"""Our graphs in snnTorch and Norse, and theirs here, in an environment that is thrown away.

    python tests/learn/nir_round_trips.py [--keep FOLDER | --python PYTHON]

It is made of the environment of this Python, the extra ``nir``, PyTorch, snnTorch and Norse (which is LGPL, and there
as a reader alone).  Three nets are trained on 4,000 images of MNIST (of the digits of scikit-learn where that is not
there), written, read by both, and shown the same spikes of 1,000 test images: predictions and spikes are counted.  The
reference trace is that of the first task of the NIR paper (Pedersen et al. 2024): one neuron, tau 2.5 ms, threshold
0.1, dt 0.1 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
READERS = ("torch==2.14.1", "snntorch==1.0.0", "norse==1.1.0", "nirtorch==2.6")
STEP = 1e-4  # s
STEPS = 20
# silent inputs before each spike of the reference trace; every input lasts ten steps, of which it is there in one
SILENCES = [6, 15, 4, 3, 0, 2, 1, 2, 0, 1, *[0] * 10, 13, *[0] * 11, 5, 0, 14]


def made(folder: Path) -> Path:
    """An environment beside this one, with the libraries; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    own = Path(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip())
    (own / "this.pth").write_text(f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})\n")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", ROOT / "constraints.txt"]
    subprocess.run([*pip, *declared["nir"], *READERS], check=True)
    return python


# ---------------------------------------------------------------- inside


def theirs(library: str, path: Path, spikes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Spikes of the last neurons, (T, n, n_out), as a library runs a graph on spikes (T, n, *inputs)."""
    import nir
    import torch

    graph = nir.read(str(path))
    with contextlib.redirect_stdout(io.StringIO()):
        if library == "snntorch":
            from snntorch.import_nir import import_from_nir

            net = import_from_nir(graph)
        else:
            import norse.torch

            net = norse.torch.from_nir(graph, dt=STEP)
    for part in net.modules():
        if isinstance(part, torch.nn.Flatten):  # NIR has no axis of samples, which PyTorch has first
            part.start_dim = 1
    out, state = [], None
    with torch.no_grad():
        for now in torch.from_numpy(np.ascontiguousarray(spikes)).float():
            y = net(now) if state is None else net(now, state)
            y, state = y if isinstance(y, tuple) else (y, None)
            out.append(y)
    return np.asarray(torch.stack(out))


def reference(folder: Path) -> bool:
    """The reference trace here and there."""
    import nir

    from neurodev.learn import Current, from_nir

    flags = np.concatenate([[0] * k + [1] for k in SILENCES])[:100]
    trace = np.zeros(10 * flags.size)
    trace[::10] = flags
    one = lambda value: np.array([value], dtype=np.float32)
    graph = nir.NIRGraph(
        nodes={
            "input": nir.Input(input_type={"input": np.array([1])}),
            "weight": nir.Affine(weight=np.ones((1, 1), np.float32), bias=one(0.0)),
            "lif": nir.LIF(tau=one(0.0025), r=one(1.0), v_leak=one(0.0), v_threshold=one(0.1)),
            "output": nir.Output(output_type={"output": np.array([1])}),
        },
        edges=[("input", "weight"), ("weight", "lif"), ("lif", "output")],
    )
    nir.write(str(folder / "reference.nir"), graph)
    model = from_nir(graph, dt=STEP)
    x = Current(trace.astype(np.float32)[:, None], trace.size, 1, (1,))
    mine = np.flatnonzero(model.activity(x, what="spikes")["lif"])
    print(f"reference trace: neurodev spikes at steps {mine.tolist()}")
    right = True
    for library in ("snntorch", "norse"):
        found = np.flatnonzero(theirs(library, folder / "reference.nir", trace[:, None, None]))
        print(f"  {library}: {'the same' if np.array_equal(found, mine) else found.tolist()}")
        right &= np.array_equal(found, mine)
    return right


def images() -> Any:
    """MNIST, or the digits of scikit-learn."""
    import neurodev as nd
    from tests.places import data_folder

    folder = data_folder("mnist")
    if folder.is_dir():
        return nd.data.mnist(folder).subset(4000, n_test=1000)
    print("MNIST is not there: the digits of scikit-learn stand for it")
    return nd.data.digits()


def nets(shape: tuple[int, ...]) -> dict[str, Any]:
    """Fully connected, convolutions that stride (Norse reads no average pools), and two ways that meet again."""
    from neurodev.learn import LIF, BatchNorm, Conv2d, Flatten, Linear, Residual, Sequential, Surrogate

    wide = Surrogate(width=2.0)
    last = lambda: [Linear(10, name="out"), LIF(0.2, 0.5, surrogate=wide, name="classes")]
    dense = [Flatten(), Linear(200, name="hidden"), LIF(0.2, 0.5, name="neurons"), *last()]
    conv = [
        Conv2d(12, 3, stride=2, gain=1.5, name="first"), LIF(0.2, 0.5, name="cells"),
        Conv2d(24, 3, stride=2, gain=1.5, bias=True, name="second"), BatchNorm(threshold=0.5),
        LIF(0.4, 0.5, name="more"), Flatten(), *last(),
    ]  # fmt: skip
    one, two, skip = (Linear(100, name=name) for name in ("one", "two", "skip"))
    ways = Residual(Sequential(one, LIF(0.4, 0.4), two), skip)
    parted = [Flatten(), Linear(100, name="hidden"), LIF(0.2, 0.5, name="neurons"), ways, LIF(0.3, 0.5), *last()]
    made = {"dense": dense, "convolutions": conv, "residual": parted}
    return {name: Sequential(*layers, inputs=shape, seed=1) for name, layers in made.items()}


def compared(folder: Path) -> bool:
    """Predictions and spikes of 1,000 images here and there."""
    import nir

    from neurodev.learn import Adam, Bernoulli, Trainer, channels_first, from_nir

    data, right = images(), True
    x = data.x_test if data.x_test.ndim == 4 else data.x_test[..., None]
    shape = tuple(x.shape[1:])
    for name, model in nets(shape).items():
        encoder = Bernoulli(STEPS)
        Trainer(model, data, encoder=encoder, optimiser=Adam(2e-3), epochs=2, batch=50, seed=3).fit().close()
        path = model.export(folder / f"{name}.nir")
        signal = encoder(x, np.arange(len(x)), 3, -1)
        mine = model.activity(x, ["classes"], "spikes")["classes"].swapaxes(0, 1)
        best = mine.sum(axis=0).argmax(axis=1)
        spikes = channels_first(signal.flags.reshape(STEPS, len(x), *shape))
        print(
            f"{name}: {100 * np.mean(best == data.y_test):.1f} % of {len(x)} images right, {mine.sum()} output spikes"
        )
        again = from_nir(nir.read(str(path)), dt=STEP)
        same = np.array_equal(again.activity(signal, ["classes"], "spikes")["classes"].swapaxes(0, 1), mine)
        print(f"  back in neurodev: {'every spike the same' if same else 'NOT the same'}")
        # Norse 1.1 gives outputs of another shape where two ways meet
        for library in ("snntorch", "norse") if name != "residual" else ("snntorch",):
            flat = theirs(library, path, spikes).reshape(mine.shape)
            alike = np.mean(flat.sum(axis=0).argmax(axis=1) == best)
            unlike = int((flat != mine).sum())
            print(f"  {library}: {100 * alike:.1f} % the same predictions, {unlike} of {mine.size} output flags differ")
            right &= same and alike == 1.0
    return right


def main() -> int:
    """Make the environment, compare there, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="make the environment here, and leave it")
    parser.add_argument("--python", type=Path, help="one that has the libraries")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        with tempfile.TemporaryDirectory() as folder:
            right = reference(Path(folder)), compared(Path(folder))
        print("the same predictions and reference spikes everywhere" if all(right) else "NOT the same everywhere")
        return int(not all(right))
    with tempfile.TemporaryDirectory() as lost:
        python = given.python or made(given.keep or Path(lost) / "nir")
        return subprocess.run(
            [python, "-W", "ignore", __file__, "--inside"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
