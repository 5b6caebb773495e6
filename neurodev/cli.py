"""What the commands of neurodev do; `neurodev.commands` says which there are.

new, demo, run, rerun, train, sweep, report, watch, export, spine, info, fit, show, schema, ablate, bench, compile
"""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from neurodev import commands
from neurodev.errors import NeurodevError, ParameterError
from neurodev.record.patience import Patience
from neurodev.record.place import check_new
from neurodev.studies import tables
from neurodev.studies.sweeps import command as sweeping
from neurodev.writing import absolute, printable


def _tell(words: str) -> None:
    """A message on stderr, if anybody listens."""
    if sys.stderr is not None:  # which print would take for stdout
        with suppress(OSError, ValueError):
            _say(f"neurodev: {words}", file=sys.stderr, flush=True)


def _say(words: Any = "", **options: Any) -> None:
    """Print what is fit for a terminal: names in a file may hold anything, and a terminal may know ASCII alone."""
    coding = getattr(options.get("file", sys.stdout), "encoding", None) or "utf-8"
    print(printable(str(words)).encode(coding, "backslashreplace").decode(coding), **options)


def _new(args: Any) -> None:
    from neurodev.plot import output

    name = Path(args.name).name
    if name in ("", "..", ".toml") or args.name.endswith(("/", os.sep)) or not args.name.isprintable():
        raise ParameterError(f"{args.name!r} is no name for a study: choose a word, such as 'mine'")
    path = Path(args.name if name.endswith(".toml") else f"{args.name}.toml")
    if os.path.lexists(path):  # also a link that leads nowhere yet
        raise ParameterError(f"{path} exists already: choose another name")
    name, verb = ("digits.toml", "train") if args.training else ("map.toml", "run")
    output.write(path, files("neurodev.studies").joinpath(name).read_bytes())
    _say(f"wrote {path}; run it with: neurodev {verb} {path}")


def _beside(path: str, ending: str) -> Path:
    """The path of what belongs to a file, beside it."""
    if not Path(path).name:
        raise ParameterError(f"{path!r} is not the name of a file")
    return Path(path).with_suffix(ending)


def _seeds(args: Any, first: int, base: Path) -> list[tuple[int, Path]]:
    """Each seed and its run file."""
    if args.seeds < 1:
        raise ParameterError(f"--seeds must be at least 1, got {args.seeds}")
    if args.seeds == 1:
        return [(first, base)]
    return [(k, base.with_name(f"{base.stem}-seed{k}{base.suffix}")) for k in range(first, first + args.seeds)]


def _run(args: Any) -> None:
    from neurodev.runs.run import Run
    from neurodev.studies import development, reading

    options = import_module("neurodev.engine.ranks").of_command(args)
    if args.resume is not None:
        _resume(args, {name: options[name] for name in ("comm", "split") if name in options})
        return
    if args.study is None:
        raise ParameterError("name a study to run, or a run file to go on with: --resume FILE")
    s = reading.load(args.study, reading.settings(args.set))
    if args.shuffled:
        s = s.resolved(shuffled=True)
    base = absolute(_beside(args.study, ".sqlite") if args.to is None else args.to, "--to")
    each = _seeds(args, s.seed, base)
    for _, path in each:
        check_new(path, args.overwrite)  # all of them, before the first begins
    network, life = development.build(s), development.duration(s)
    if not args.quiet:
        _say(network)
    if len(each) > 1:
        from neurodev.studies.sweeps import seeded

        seeded.run(args, s, each, lambda path: _say(f"{path}: {Run(path)}"), "neurodev run --resume goes on with one")
        return
    with Patience():  # between the file's beginning and the run's
        simulation = development.simulation(s, network, base, not args.quiet, **options)
        args.begun = base
        run = simulation.run(life).close()
    _say(run.info())


def _resume(args: Any, ranked: dict[str, Any]) -> None:
    """`neurodev run --resume FILE`: the study and all settings are those in the file."""
    from neurodev.studies import development

    given = ("study", "to", "set", "shuffled", *([] if ranked else ["overwrite", "split"]))
    if others := [name for name in given if getattr(args, name)] + ["seeds"] * (args.seeds != 1):
        raise ParameterError(f"--resume goes on with the run as its file tells it: leave out {', '.join(others)}")
    path = absolute(args.resume, "--resume")
    with Patience():
        how = {"threads": args.threads, "trust": args.trust, **ranked}
        simulation = development.resumed(path, progress=not args.quiet, **how)
        args.begun = path
        run = simulation.run().close()
    _say(run.info())


def _rerun(args: Any) -> None:
    from neurodev.studies import development

    options = import_module("neurodev.engine.ranks").of_command(args)
    to = absolute(args.to, "--to")
    check_new(to, args.overwrite)
    with Patience():
        options |= {"trust": args.trust, "progress": not args.quiet}
        simulation, life = development.repeated(absolute(args.run, "RUN"), to, **options)
        args.begun = to
        run = simulation.run(life).close()
    _say(run.info())


def _train(args: Any) -> None:
    from neurodev.learn import keep_freed_memory
    from neurodev.runs.run import Run
    from neurodev.studies import reading, training

    brought = Path(str(files("neurodev.studies").joinpath("digits.toml")))
    source = brought if args.study is None else Path(args.study)
    s = reading.load(source, reading.settings(args.set))
    training.check_kind(s)  # before anything is said about its run file
    beside = _beside(args.study or source.name, ".sqlite")  # of the study that we bring: here
    base = absolute(beside if args.to is None else args.to, "--to")
    on = args.resume or args.extend is not None
    if on and args.overwrite:
        raise ParameterError("--resume goes on with the run file and --overwrite replaces it: choose one of them")
    each = _seeds(args, s.seed, base)
    for _, path in () if on else each:
        check_new(path, args.overwrite)
    threads = {"threads": 2} if args.threads is None else {"threads": args.threads}
    if args.threads is None and "threads" in reading.table_at(s, s.table.get("train", {}), ("train",), "[train]"):
        threads = {}
    if len(each) > 1 and args.extend is None:
        from neurodev.studies.sweeps import seeded

        told = lambda path: _say(f"{path}: {Run(path).training.sentence()}")
        seeded.run(args, s, each, told, "the same with --resume goes on")
        return
    data = training.dataset(s)
    keep_freed_memory()
    for seed, path in each:
        t = training.trainer(
            s, path, seed=seed, data=data, resume=on, progress=not args.quiet, overwrite=args.overwrite,
            **threads,
        )  # fmt: skip
        args.begun = path
        t.fit() if args.extend is None else t.extend(args.extend)
        t.close()
        _say(f"{path}: {data.name}, seed {seed}\n{training.told(t)}")


def _demo(args: Any) -> None:
    """The study here, its control in a second process with the same seed."""
    from neurodev.plot import output, report
    from neurodev.runs.run import Run
    from neurodev.studies import development, reading

    absolute(args.to, "--to")  # refuses what no folder can be called
    if args.days is not None and not 0.0 < args.days < 1e5:
        raise ParameterError(f"--days must be a positive number below 100,000, got {args.days:g}")
    folder = Path(args.to)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ParameterError(f"--to {args.to!r} cannot be a folder: {e.strerror}") from e
    for name in ("map.sqlite", "control.sqlite"):  # before the study of an older demo is written over
        check_new(absolute(folder / name, "--to"), args.overwrite)
    text, study = files("neurodev.studies").joinpath("map.toml").read_bytes(), folder / "map.toml"
    if study.is_file() and study.read_bytes() != text and not args.overwrite:
        raise ParameterError(f"{str(study)!r} is another study: choose another --to, or --overwrite to replace it")
    output.checked(folder / "report.html")
    path = output.write(study, text, replace=True)
    settings = [] if args.days is None else ["--set", f'run.duration="{args.days:g} day"']
    begin = time.perf_counter()
    s = reading.load(path, reading.settings(settings[1:]))
    network, life = development.build(s), development.duration(s)
    _say(network)
    simulation = development.simulation(s, network, folder / "map.sqlite", True, overwrite=args.overwrite)
    args.begun = folder / "map.sqlite"
    simulation.simulator.run_until_spike(1.0)  # fill the cache before the second process looks for it
    command = [sys.executable, "-m", "neurodev", "run", str(path), "--shuffled", "--quiet"]
    command += ["--overwrite"] * args.overwrite
    control = subprocess.Popen([*command, "--to", str(folder / "control.sqlite"), *settings], stdout=subprocess.DEVNULL)
    try:
        run = simulation.run(life - simulation.life).close()
        if control.wait():
            raise NeurodevError("the control run failed; its message stands above")
    finally:
        if control.poll() is None:
            control.terminate()
    other = Run(folder / "control.sqlite")
    page = run.report(folder / "report.html", control=other)
    _say("\n" + report.sentence(run, other))
    theirs = {c.name: c.value for c in other.checks()}
    _say(f"\n{'number':<34}{'run':>9}{'band':>14}{'':>10}{'control':>9}")
    for c in run.checks():
        low, high = ("" if b is None else f"{b:g}" for b in (c.low, c.high))
        mark = "inside" if c.passed else "OUTSIDE" if math.isfinite(c.value) else "no number"
        _say(f"{c.name:<34}{c.value:>9.2f}{low + ' .. ' + high:>14}{mark:>10}{theirs.get(c.name, float('nan')):>9.2f}")
    _say("\n" + run.spines.longest().story())
    _say(f"\n{page} written after {time.perf_counter() - begin:.0f} s; one more life: "
          f"neurodev spine {run.path} UID")  # fmt: skip


def _report(args: Any) -> None:
    from neurodev.plot import live, output
    from neurodev.runs.run import Run

    to = output.checked(_beside(tables.plain_name(args.run[0]), ".html") if args.to is None else args.to)
    if any(map(tables.is_table, args.run)):
        page = tables.report(args, to)
    else:
        tables.no_tables(args)
        run, *others = (Run(path) for path in args.run)
        control = Run(args.control) if args.control else None
        page = run.report(to, *others, control=control, still=True if args.still else None)
    _say(f"wrote {page}")
    if not args.still and not live.installed():
        _say("a still page, since Bokeh is not there; an interactive one needs: pip install 'neurodev[report]'")


def _watch(args: Any) -> None:
    from neurodev.runs import watching

    if not 0.01 <= args.every <= 3600.0:
        raise ParameterError(f"--every must be 0.01 to 3600 seconds, got {args.every:g}")
    on_terminal = sys.stdout is not None and sys.stdout.isatty() and not args.lines
    width = shutil.get_terminal_size().columns
    with suppress(KeyboardInterrupt):  # who watches may stop watching
        for line in watching.lines(args.run, args.every):
            if on_terminal:
                _say(f"{line}"[: width - 1].ljust(width - 1), end="\r", flush=True)
            else:
                _say(line, flush=True)
    if on_terminal:
        _say()


def _export(args: Any) -> None:
    from neurodev.runs.run import Run
    from neurodev.studies import reading

    options = {key: reading.as_value(word) for key, word in reading.settings(args.set).items()}
    _say(f"wrote {Run(args.run).export(args.to, args.kind, overwrite=args.overwrite, **options)}")


def _spine(args: Any) -> None:
    from neurodev.plot import output
    from neurodev.plot.style import png
    from neurodev.runs.run import Run

    if args.uid != "longest" and not args.uid.isdecimal():
        raise ParameterError(f"UID must be a number or 'longest', got {args.uid!r}")
    if args.figure:
        output.checked(args.figure)
    run = Run(args.run)
    spine = run.spines.longest() if args.uid == "longest" else run.spines[int(args.uid)]
    _say(spine.story())
    to = args.figure or Path(args.run).with_name(f"spine-{spine.uid}.png")
    _say(f"wrote {output.write(to, png(spine.plot()))}")


def _info(args: Any) -> None:
    from neurodev.runs.run import Run

    if tables.is_table(args.run):
        if args.verify:
            raise ParameterError(f"--verify looks at the bytes of a run, and {args.run!r} is a table: leave it out")
        _say(tables.info(args))
        return
    tables.no_tables(args)
    run = Run(args.run)
    _say(run.info())
    if args.verify:
        with warnings.catch_warnings():  # what it says is said below
            warnings.simplefilter("ignore")
            n = run.verify()
        whole = "every byte is whole" if run.file.proven else "every page can be read"
        followed = f"the log replays to the final structure: {n} synapses" if run.plastic else whole
        _say(f"  {followed}" + ("" if run.plastic else "; no projection is on spines, so there is no log to replay"))
        if not run.file.proven:
            _say("  a file of an older format without checksums: whether its bytes are those written cannot be told")


def _fit(args: Any) -> None:
    from neurodev.plot import output

    if args.to:
        output.checked(args.to)
    history, fits = tables.fit(args)
    _say(json.dumps(tables.as_json(history, fits), allow_nan=False) if args.json else tables.told(history, fits))
    if args.to:
        from neurodev.plot.style import png

        path = output.write(args.to, png(fits.plot()))
        _say(f"wrote {path}", file=sys.stderr if args.json else sys.stdout)


def _needs_data(cls: Any) -> bool:
    """Whether it has no default of its own: a list of spikes, pairs."""
    try:
        cls()
    except (TypeError, ParameterError):
        return True
    return False


def _public(name: str) -> Any:
    """What a public name stands for, as in ``nd.Simulation``, ``Simulation.run`` or ``plot.survival``; else None."""
    import neurodev as nd

    first, *more = name.removeprefix("nd.").removeprefix("neurodev.").split(".")
    for room in (nd, nd.learn, nd.methods, nd.data, nd.plot):
        found = getattr(room, first) if first in room.__all__ else None
        for part in more:
            found = None if part[:1] == "_" else getattr(found, part, None)
        if found is not None:
            return found
    return None


def _show(args: Any) -> None:
    from neurodev import registry
    from neurodev.errors import nearest
    from neurodev.mechanisms import presets
    from neurodev.plot import output
    from neurodev.protocols import isolate, protocol_of, show
    from neurodev.studies import reading

    kinds = tuple(registry.OURS)
    if args.plot:
        output.checked(args.plot)
    if args.name is None:
        if args.plot or args.set:
            raise ParameterError("--plot and --set need the name of what is to be shown")
        groups = {show.group(kind): members for kind in kinds if (members := registry.every(kind))}
        _say(show.index({**groups, "presets": dict(presets.PRESETS)}))
        return
    given, bearers = reading.settings(args.set), [k for k in kinds if args.name in registry.names(k)]
    if args.name in presets.PRESETS:
        one: Any = presets.named(args.name, given)
    elif ":" in args.name or bearers:
        one = registry.find(kinds, args.name)
        if not show.has_parameters(one) and given:
            raise ParameterError(f"{args.name} declares no parameters: --set has nothing to set")
        if given or (show.has_parameters(one) and not _needs_data(one)):
            one = reading.instance(one, given)
    elif (public := _public(args.name)) is not None:
        if args.plot or args.set:
            raise ParameterError(f"{args.name} has neither parameters to set nor a curve to plot")
        _say(show.public(public))
        return
    else:
        hint = nearest(args.name, [*registry.names(kinds), *presets.PRESETS, *import_module("neurodev").__all__])
        raise ParameterError(
            f"nothing is called {args.name!r}{hint}; `neurodev show` lists all, your own are 'module:name'"
        )
    _say(show.describe(one))
    for kind in bearers[1:]:
        _say(f"\nalso a {kind}:\n{show.describe(registry.find(kind, args.name))}")
    bare = isinstance(one, type) and not show.has_parameters(one)  # a layer, made with its defaults
    drawn = (bare or not hasattr(one, "__qualname__")) and protocol_of(one if bare else type(one)) is not None
    result = isolate(one) if drawn else None
    if result is None or not result.panels:
        if args.plot:
            raise ParameterError(
                f"{args.name} has no curve to plot: write its protocol with @neurodev.protocols.protocol"
            )
        _say("  no protocol: it has no curve of its own here")
        return
    _say("\n" + str(result))
    if args.plot:
        from neurodev.plot.style import png

        _say(f"wrote {output.write(args.plot, png(result.plot()))}")


def _schema(args: Any) -> None:
    from neurodev.plot import output
    from neurodev.studies.schema import schema

    text = json.dumps(schema(args.training), indent=1)
    if args.to is None:
        _say(text)
        return
    _say(f"wrote {output.write(args.to, text.encode())}; name it in the first line of a study: #:schema {args.to}")


def _compile(args: Any) -> None:
    from neurodev.studies import ahead

    spent = ahead.compile_ahead(lambda words: _say(words, flush=True))
    _say(f"compiled and kept, in {spent:.0f} processor seconds")


def _bench(args: Any) -> None:
    from neurodev.bench import networks as bench  # the module, not a name of the package

    result = bench.run(args.name, args.scale, args.threads)
    if args.json:
        _say(json.dumps(result))
        return
    width = shutil.get_terminal_size().columns
    for k, v in result.items():
        _say(f"{k:>16}  {v}"[:width])


_COMMANDS = {
    "new": _new, "demo": _demo, "run": _run, "rerun": _rerun, "report": _report, "watch": _watch, "spine": _spine,
    "info": _info, "show": _show, "bench": _bench, "train": _train, "compile": _compile, "export": _export, "fit": _fit,
    "schema": _schema, "sweep": lambda args: sweeping.run(args, _say),
    "ablate": lambda args: import_module("neurodev.studies.ablate").command(args),
}  # fmt: skip
_STANDS_ON = {
    "demo": ("studies.development", "plot.report", "plot.live"), "run": ("studies.development",),
    "rerun": ("studies.development",),
    "train": ("learn", "studies.training"), "report": ("runs.run", "plot.report", "plot.live"),
    "watch": ("runs.watching",), "spine": ("runs.run", "plot.style"), "export": ("runs.run", "studies.reading"),
    "info": ("runs.run",), "show": ("plot.output", "protocols.show", "studies.reading"), "ablate": ("studies.ablate",),
    "bench": ("bench.networks",), "compile": ("studies.ahead",), "sweep": ("studies.sweeps.sweep",),
    "fit": ("plot.output", "protocols.fitting", "formats.sessions"), "new": ("plot.output",),
    "schema": ("plot.output",),
}  # fmt: skip


_ENDED = 128 + signal.SIGTERM


def _end(number: int, frame: Any) -> None:
    """SIGTERM ends a program as Ctrl-C does: what waits beside its place comes back, what was begun is sealed."""
    raise SystemExit(_ENDED)


@contextmanager
def _ending() -> Iterator[None]:
    """SIGTERM is heard, unless who started this program has decided otherwise."""
    main_thread = threading.current_thread() is threading.main_thread()
    if not main_thread or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupted(path: Any) -> str:
    """What an interrupt left, as the file itself says it."""
    if path is None:
        return "interrupted"
    from neurodev.runs.run import Run

    try:
        return f"interrupted; {Run(path).info().splitlines()[0]}"
    except NeurodevError as e:
        return f"interrupted; {e}"


def _onward(args: Any) -> str:
    """The command by which what was broken off goes on, where its file holds what that needs."""
    from neurodev.record.runfile import RunFile

    if args.begun is None:
        return ""
    try:
        with RunFile.open(args.begun) as file:
            if not file.checkpoints():
                return ""
    except NeurodevError:
        return ""
    path = shlex.quote(os.path.relpath(args.begun))
    if args.command != "train":
        return f"; it goes on with: neurodev run --resume {path}"
    words = [args.study] if args.study else []
    words += [word for setting in args.set for word in ("--set", setting)]
    return f"; it goes on with: neurodev train {shlex.join(words)}{' ' if words else ''}--to {path} --resume"


def _refuse_nothing(args: Any) -> None:
    """No command takes an empty word: it is a variable of the shell that was not set, and would choose the default."""
    for name, value in vars(args).items():
        if "" in (value if isinstance(value, list) else [value]):
            raise ParameterError(f"an empty word for {name}: a variable that is not set? Leave it out, or name it")


def _bring(command: str) -> None:
    """Import what a command stands on; signals wait, as other packages' imports do not outlive an interrupt."""
    with Patience():
        for name in _STANDS_ON.get(command, ()):
            import_module(f"neurodev.{name}")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 2 for what the user can mend, with one message."""
    args = commands.parser().parse_args(argv)
    args.begun = None
    try:
        _refuse_nothing(args)
        with _ending():
            _bring(args.command)
            _COMMANDS[args.command](args)
    except SystemExit as e:
        if e.code != _ENDED:
            raise
        _tell(_interrupted(args.begun) + _onward(args))
        return _ENDED
    except KeyboardInterrupt as e:
        _tell((str(e) or _interrupted(args.begun)) + _onward(args))
        return 130
    except BrokenPipeError:  # who read our words has enough of them
        return 1
    except Exception as e:
        from neurodev import blame

        ours = isinstance(e, (NeurodevError, OSError, MemoryError))
        if not ours and not blame.place_of(e):
            raise  # a fault of neurodev's own: its traceback is what we need to see
        if args.debug:
            traceback.print_exc()
        _tell(str(e) if isinstance(e, NeurodevError) else blame.told(e))
        if "mpi4py.MPI" in sys.modules:  # what one rank cannot do, none goes on with
            import_module("neurodev.engine.ranks").abort(2)
        return 2
    return 0
