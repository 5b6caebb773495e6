/* The script of a page: composes stories from the clauses that Python has, and answers the slider, taps and hovers.

Whatever comes from a run reaches the page as text (textContent, or Bokeh's escaped values), never as markup. */
(function (root) {
  "use strict";
  const nd = {};
  const GAP = /\{(\w+)\}/g;

  /* ---- stories: as neurodev/structure/story.py and the methods _pieces of Spine and Synapse */

  nd.told = (clauses, pieces) => clauses
    .filter((clause) => [...clause.matchAll(GAP)].every((gap) => pieces[gap[1]] !== undefined))
    .map((clause) => clause.replace(GAP, (_, name) => pieces[name])).join("");

  nd.word = (run, name, i) => {
    const {meta, lives} = run, timed = meta.timed[name], column = lives["word_" + name];
    const code = timed ? timed[lives[name][i]] : column ? column[i] : 0;
    return code ? meta.words[name][code - 1] : undefined;
  };

  nd.listed = (run, kind, i) => {
    const [between, after] = run.meta.joined[kind];
    const found = run.meta.terms
      .map((term, k) => [term, run.lives["term_" + k][i]])
      .filter(([term, code]) => term.kind === kind && code > 0)
      .map(([term, code]) => term.name + between + term.words[code - 1]);
    return found.length ? found.join(after) : undefined;
  };

  nd.pieces = (run, i) => {
    const {meta, lives, cells} = run, out = {}, seen = meta.kind === "seen", training = meta.kind === "training";
    const put = (name, value) => { if (value !== undefined) out[name] = value; };
    const words = (...names) => names.forEach((name) => put(name, nd.word(run, name, i)));
    const cause = meta.causes[lives.cause[i] - 1], birth = meta.causes[lives.birth_cause[i] - 1];
    out.uid = meta.idents ? meta.idents[lives.ident[i]] : String(run.ident[i]);
    if (seen) {
      out.unit = meta.unit;
      words(...Object.keys(meta.words));
      put("known", nd.listed(run, "known", i));
      if (lives.standing[i]) out.there = "";
      if (lives.died[i]) out.ended = ""; else out.alive = "";
      if (cause) { out.cause = cause.word; out.reason = cause.sentence; }
      return out;
    }
    const group = meta.groups[lives.group[i]];
    out.projection = group.name; out.source = group.source; out.target = group.target;
    out.post = String(cells.number[lives.cell[i]]);
    nd.place(out, lives.pre[i], group.taps, training);
    if (birth && birth.word === "initial") out.there = "";
    else if (training) {
      words("born"); out.new = ""; out.birth_reason = birth.sentence;
      if (nd.word(run, "birth_value", i)) { out.birth_decided = birth.decided; words("birth_value"); }
    } else { words("born"); out.how = birth && birth.birth ? ", " + birth.birth : ""; }
    words("branch", "place", "largest", "largest_when", "lived");
    if (!lives.died[i] || !cause) { out.alive = ""; return out; }
    words("died"); out.cause = cause.word;
    if (lives.by_hand[i]) { out.by_hand = ""; return out; }
    out.reason = cause.sentence; out.judged = "";
    if (nd.word(run, "value", i)) { out.decided = cause.decided; words("value"); }
    if (nd.word(run, "size", i)) {
      words("size"); out.sized = "";
      put("moved", nd.listed(run, "moved", i)); put("others", nd.listed(run, "others", i));
    }
    return out;
  };

  nd.place = (out, pre, taps, training) => {
    out.pre = String(pre);
    if (!training) return;
    if (taps === 1) { out.input = String(pre); return; }
    const side = Math.round(Math.sqrt(taps)), tap = pre % taps;
    out.channel = String(Math.floor(pre / taps));
    out.row = String(Math.floor(tap / side)); out.column = String(tap % side);
  };

  nd.story = (run, i) => nd.told(run.meta.clauses, nd.pieces(run, i));

  /* ---- numbers */

  nd.prepare = (run) => {
    const {lives, meta, cells} = run, n = lives.cell.length;
    run.n = n;
    run.offset = new Uint32Array(n + 1);
    for (let i = 0; i < n; i++) run.offset[i + 1] = run.offset[i] + lives.count[i];
    run.begin = new Uint32Array(cells.number.length + 1);
    for (let i = 0; i < n; i++) run.begin[lives.cell[i] + 1]++;
    for (let c = 0; c < cells.number.length; c++) run.begin[c + 1] += run.begin[c];
    run.step = meta.steps.length - 1;
    run.ident = new Float64Array(n);
    const whole = lives.ident.BYTES_PER_ELEMENT < 8;
    for (let i = 0, at = 0; i < n; i++) {
      at = whole ? (at + lives.ident[i]) % 4294967296 : at + lives.ident[i];
      run.ident[i] = at;
    }
    return run;
  };

  nd.rows = (run, cell, group) => {
    const out = [];
    for (let i = run.begin[cell]; i < run.begin[cell + 1]; i++) if (run.lives.group[i] === group) out.push(i);
    return out;
  };

  /* numbers of each cell at each step: who lives, who was born and who died since the step before */
  nd.counts = (run, group) => {
    const {lives} = run, steps = run.meta.steps.length, cells = run.cells.number.length;
    const make = () => Array.from({length: steps}, () => new Float64Array(cells));
    const out = {living: make(), born: make(), died: make()};
    for (let i = 0; i < run.n; i++) {
      if (lives.group[i] !== group) continue;
      const cell = lives.cell[i], first = lives.first[i], last = lives.last[i];
      for (let k = first; k < Math.min(last, steps); k++) out.living[k][cell]++;
      if (first > 0 && first < steps) out.born[first][cell]++;
      if (last > 0 && last < steps) out.died[last][cell]++;
    }
    return out;
  };

  /* of some rows what `curves` says of all: how many live at each step, births, and deaths by cause (the last: by none) */
  nd.course = (run, rows) => {
    const {lives, meta} = run, steps = meta.steps.length, make = () => new Array(steps).fill(0);
    const out = {number: make(), births: make(), deaths: [...meta.causes, null].map(make)};
    for (const i of rows) {
      const first = lives.first[i], last = lives.last[i];
      for (let k = first; k < Math.min(last, steps); k++) out.number[k]++;
      if (first < steps) out.births[first]++;
      if (lives.died[i] && last < steps) out.deaths[(lives.cause[i] || out.deaths.length) - 1][last]++;
    }
    return out;
  };

  nd.survival = (run, rows) => {
    const {lives, meta} = run, lived = [];
    for (const i of rows) {
      if (lives.standing[i]) continue;
      const from = meta.times[lives.born[i]], dead = lives.died[i] > 0;
      lived.push([Math.max((dead ? meta.times[lives.died[i] - 1] : meta.end) - from, 0), dead]);
    }
    lived.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
    const age = [0], share = [1];
    let left = lived.length, value = 1;
    for (let k = 0; k < lived.length;) {
      let same = k, deaths = 0;
      do deaths += lived[same++][1] ? 1 : 0; while (same < lived.length && lived[same][0] === lived[k][0]);
      if (deaths) { value *= 1 - deaths / left; age.push(lived[k][0]); share.push(value); }
      left -= same - k; k = same;
    }
    if (lived.length) { age.push(lived[lived.length - 1][0]); share.push(value); }
    return {age, share, n: lived.length};
  };

  /* curves that keep their value until the next age (Bokeh's own steps do not end where there are none) */
  nd.stairs = (age, columns) => {
    const out = {age: []};
    age.forEach((a, k) => { if (k) out.age.push(a); out.age.push(a); });
    for (const [name, values] of Object.entries(columns)) {
      out[name] = [];
      values.forEach((v, k) => { if (k) out[name].push(values[k - 1]); out[name].push(v); });
    }
    return out;
  };

  nd.sizeOf = (run, code) => {
    const [low, high] = run.meta.scale;
    return Math.exp(low + (code - 1) / run.meta.levels * (high - low));
  };

  nd.trace = (run, i) => {
    const x = [], y = [], {lives, meta} = run;
    for (let k = 0; k < lives.count[i]; k++) {
      const code = run.sizes[run.offset[i] + k];
      if (code) { x.push(meta.sessions[lives.since[i] + k]); y.push(nd.sizeOf(run, code)); }
    }
    return [x, y];
  };

  /* living sizes at a step, as bars */
  nd.histogram = (run, group, step, bars) => {
    const session = run.meta.session_of_step[step], height = new Float64Array(bars), {lives, meta} = run;
    for (let i = 0; i < run.n && session >= 0; i++) {
      if (lives.group[i] !== group || lives.first[i] > step || lives.last[i] <= step) continue;
      const at = session - lives.since[i];
      if (at < 0 || at >= lives.count[i]) continue;
      const code = run.sizes[run.offset[i] + at];
      if (code) height[Math.min(Math.floor((code - 1) / (meta.levels + 1) * bars), bars - 1)]++;
    }
    return height;
  };

  nd.stepAt = (run, time) => {
    const at = run.meta.steps;
    let k = 0;
    while (k + 1 < at.length && at[k + 1] <= time * (1 + 1e-9) + 1e-12) k++;
    return k;
  };

  /* ---- the page */

  const grouped = (x) => Math.round(x).toString().replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const say = (id, text) => { const e = root.document.getElementById(id); if (e) e.textContent = text; };
  const number = (x) => String(Number(x.toPrecision(4)));
  nd.label = (run, cell) => run.cells.name ? run.cells.name[cell]
    : run.meta.groups[run.group].target + " " + run.cells.number[cell];

  const fill = (run, name, data) => { if (run.models[name]) run.models[name].data = data; };

  nd.choose = (run, cell) => {
    run.cell = cell;
    run.chosen = nd.rows(run, cell, run.group);
    const {lives, meta, chosen} = run;
    const end = (i) => lives.died[i] ? meta.times[lives.died[i] - 1] : meta.end;
    const order = chosen.slice().sort((a, b) => meta.times[lives.born[a]] - meta.times[lives.born[b]] || end(b) - end(a));
    const hue = (i) => lives.died[i] && lives.cause[i] ? meta.causes[lives.cause[i] - 1].colour
      : lives.died[i] ? root.GREY : root.ALIVE;
    fill(run, "spines", {
      x0: order.map((i) => meta.times[lives.born[i]]), x1: order.map(end), y: order.map((_, k) => k + 1),
      colour: order.map(hue), row: order,
    });
    if (run.models.spine_range) { run.models.spine_range.start = 0; run.models.spine_range.end = order.length + 1; }
    if (meta.scale) {
      const traces = order.map((i) => nd.trace(run, i)), some = order.map((_, k) => k).filter((k) => traces[k][0].length);
      fill(run, "traces", {
        xs: some.map((k) => traces[k][0]), ys: some.map((k) => traces[k][1]), colour: some.map((k) => hue(order[k])),
        row: some.map((k) => order[k]),
      });
    }
    const mine = nd.survival(run, chosen);
    fill(run, "my_survival", nd.stairs(mine.age, {share: mine.share}));
    const name = nd.label(run, cell), births = chosen.filter((i) => !lives.standing[i]).length;
    say("who-" + run.index, name + ": " + grouped(chosen.length) + " lives, " + grouped(births) + " births, "
      + grouped(chosen.filter((i) => lives.died[i]).length) + " deaths");
    const longest = chosen.slice().sort((a, b) => nd.lived(run, b) - nd.lived(run, a))[0];
    if (longest !== undefined) nd.pick(run, longest); else say("story-" + run.index, "");
    nd.causes(run);
    nd.draw(run);
  };

  nd.pick = (run, i) => { run.told = nd.story(run, i); say("story-" + run.index, run.told); };

  /* number, births and deaths by cause, of all or of the chosen neuron */
  nd.causes = (run) => {
    const course = run.scope === "all" ? run.curves[run.group] : nd.course(run, run.chosen), steps = run.meta.steps;
    const data = {left: steps.slice(0, -1), right: steps.slice(1), births: course.births.slice(1)};
    const below = new Array(steps.length - 1).fill(0);
    course.deaths.forEach((values, k) => {
      data["top_" + k] = below.map((x) => -x);
      for (let j = 0; j < below.length; j++) below[j] += values[j + 1];
      data["bottom_" + k] = below.map((x) => -x);
    });
    fill(run, "causes", data);
    fill(run, "number", {t: steps, n: course.number});
  };

  nd.draw = (run) => {
    const {meta, cells} = run, k = run.step, values = run.counts[run.what][k], group = meta.groups[run.group];
    const mine = [];
    for (let c = 0; c < cells.number.length; c++) {
      if (cells.cell[c] >= group.first && cells.cell[c] < group.first + group.n) mine.push(c);
    }
    /* one scale for all runs, so that they can be compared */
    const most = (r) => Math.max(1, ...r.counts[run.what].map((v) => v.reduce((m, x) => Math.max(m, x), 0)));
    const high = Math.max(...nd.runs.filter((r) => r.counts).map(most));
    for (const r of nd.runs) r.models.colours.high = high;
    fill(run, "cells", {
      x: mine.map((c) => cells.x[c]), y: mine.map((c) => cells.y[c]), value: mine.map((c) => values[c]),
      label: mine.map((c) => nd.label(run, c)), cell: mine,
    });
    const here = mine.indexOf(run.cell);
    fill(run, "chosen", {x: here < 0 ? [] : [cells.x[run.cell]], y: here < 0 ? [] : [cells.y[run.cell]]});
    nd.links(run, group);
    for (const span of run.models.spans) span.location = meta.steps[k];
    const curve = run.curves[run.group];
    const whole = (name) => [1, ...curve[name], curve[name].length ? curve[name][curve[name].length - 1] : 1];
    fill(run, "survival", nd.stairs([0, ...curve.age, curve.until],
      {share: whole("share"), low: whole("low"), high: whole("high")}));
    if (meta.scale) {
      const [low, high] = meta.scale, bars = 32, edge = (b) => Math.exp(low + b / bars * (high - low));
      const height = nd.histogram(run, run.group, k, bars);
      fill(run, "sizes_now", {
        left: Array.from(height, (_, b) => edge(b)), right: Array.from(height, (_, b) => edge(b + 1)),
        top: Array.from(height),
      });
    }
    run.living = curve.number[k];
    const alive = mine.reduce((sum, c) => sum + run.counts.living[k][c], 0);
    run.shownLiving = alive;
    say("living-" + run.index, grouped(curve.number[k]) + " live"
      + (meta.shipped < meta.lives ? ", " + grouped(alive) + " of them on the neurons shown" : ""));
  };

  /* inputs of the chosen neuron, where they stand */
  nd.links = (run, group) => {
    if (!run.models.links) return;
    const {lives, cells} = run, data = {x0: [], y0: [], x1: [], y1: []};
    if (group.sources) {
      for (const i of run.chosen) {
        if (lives.first[i] > run.step || lives.last[i] <= run.step) continue;
        data.x0.push(cells.x[run.cell]); data.y0.push(cells.y[run.cell]);
        data.x1.push(group.sources[0][lives.pre[i]]); data.y1.push(group.sources[1][lives.pre[i]]);
      }
    }
    fill(run, "links", data);
  };

  nd.regroup = (run, group) => {
    run.group = group;
    run.counts = nd.counts(run, group);
    const g = run.meta.groups[group], {cells} = run, steps = run.meta.steps.length, x = [], y = [];
    let best = -1, score = Infinity;
    for (let c = 0; c < cells.number.length; c++) {
      if (cells.cell[c] >= g.first && cells.cell[c] < g.first + g.n) { x.push(cells.x[c]); y.push(cells.y[c]); }
    }
    const middle = (v) => (Math.min(...v) + Math.max(...v)) / 2, mx = middle(x), my = middle(y);
    for (let c = 0; c < cells.number.length; c++) {
      if (cells.cell[c] < g.first || cells.cell[c] >= g.first + g.n || !nd.rows(run, c, group).length) continue;
      const d = Math.hypot(cells.x[c] - mx, cells.y[c] - my);
      const gone = run.counts.living[steps - 1][c] ? 0 : 1e9;  // rather one of which something lives
      if (d + gone < score) { score = d + gone; best = c; }
    }
    run.cell = Math.max(best, 0); run.chosen = [];
    nd.choose(run, run.cell);
  };

  nd.lived = (run, i) => (run.lives.died[i] ? run.meta.times[run.lives.died[i] - 1] : run.meta.end)
    - run.meta.times[run.lives.born[i]];

  /* ---- what the widgets call */

  nd.slide = (index) => {
    const lead = nd.runs.reduce((a, b) => b.meta.steps.length > a.meta.steps.length ? b : a), time = lead.meta.steps[index];
    for (const run of nd.runs) { run.step = nd.stepAt(run, time); nd.draw(run); }
    say("when", lead.meta.unit + " " + number(time));
  };
  nd.tap = (index, indices) => {
    const run = nd.runs[index];
    if (indices.length) nd.choose(run, run.models.cells.data.cell[indices[0]]);
  };
  nd.hover = (index, name, indices) => {
    const run = nd.runs[index];
    if (indices.length) nd.pick(run, run.models[name].data.row[indices[0]]);
  };
  nd.show = (what) => { for (const run of nd.runs) { run.what = what; nd.draw(run); } };
  nd.scope = (which) => { for (const run of nd.runs) { run.scope = which; nd.causes(run); } };
  nd.project = (index, name) => {
    const run = nd.runs[index], found = run.meta.groups.findIndex((g, k) => k + ": " + g.name === name);
    nd.regroup(run, Math.max(found, 0));
  };

  nd.start = (doc, packed, look) => {
    root.ALIVE = look.alive; root.GREY = look.grey;
    const model = (name) => doc.get_model_by_name(name);
    nd.runs = packed.map((each, index) => {
      const models = {spans: []}, lives = model("lives-" + index).data;
      for (const name of ["spines", "traces", "my_survival", "causes", "cells", "chosen", "links", "number", "survival",
        "sizes_now", "spine_range", "colours"]) models[name] = model(name + "-" + index);
      for (let k = 0; model("span-" + index + "-" + k); k++) models.spans.push(model("span-" + index + "-" + k));
      const sizes = model("sizes-" + index), shape = model("shape-" + index).data;
      return nd.prepare({...each, index, models, lives, cells: {...shape, name: each.names}, group: 0, what: "living", scope: "all",
        sizes: sizes ? sizes.data.size : []});
    });
    nd.runs.forEach((run) => nd.regroup(run, 0));
    const lead = nd.runs.reduce((a, b) => b.meta.steps.length > a.meta.steps.length ? b : a);
    nd.slide(lead.meta.steps.length - 1);
  };

  root.neurodev = nd;
  if (typeof module !== "undefined") module.exports = nd;
})(typeof window === "undefined" ? globalThis : window);
